import { useSignal } from "@preact/signals";
import { call, get } from "../../api.ts";
import { t } from "../../i18n.ts";
import { useLoad } from "../../load.ts";
import type { Page, Role } from "../../shapes.ts";
import { Confirm, Dialog } from "../../ui/dialog.tsx";
import { Field, Form, textOf } from "../../ui/form.tsx";
import { Badge, Pager, Shown } from "../../ui/parts.tsx";
import { CheckList, chosenOf } from "./check-list.tsx";

const PER_PAGE = 20;
const ADMIN = "admin";
const PERMISSIONS = [
  "users.read",
  "users.write",
  "roles.manage",
  "invitations.create",
  "tasks.manage",
  "audit.read",
  "blog.moderate",
  "chat.moderate",
];
const NEW: Role = { id: 0, name: "", permissions: [] };

export function Roles() {
  const page = useSignal(1);
  const edited = useSignal<Role | null>(null);
  const removed = useSignal<Role | null>(null);
  const roles = useLoad(`${page.value}`, (signal) =>
    get<Page<Role>>(`/api/admin/roles?page=${page.value}&limit=${PER_PAGE}`, signal),
  );
  return (
    <section class="card" aria-label={t("roles")}>
      <button
        type="button"
        class="primary"
        onClick={() => {
          edited.value = NEW;
        }}
      >
        {t("newRole")}
      </button>
      <Shown of={roles}>
        {({ data, pagination }) => (
          <>
            <ul class="rows">
              {data.map((role) => (
                <li key={role.id} class="row-flex">
                  <strong>{role.name}</strong>
                  {role.permissions.map((name) => (
                    <Badge key={name}>{name === "*" ? t("everything") : name}</Badge>
                  ))}
                  {role.name !== ADMIN && (
                    <span class="inline push">
                      <button
                        type="button"
                        class="small"
                        aria-label={`${t("edit")}: ${role.name}`}
                        onClick={() => {
                          edited.value = role;
                        }}
                      >
                        {t("edit")}
                      </button>
                      <button
                        type="button"
                        class="small"
                        aria-label={`${t("remove")}: ${role.name}`}
                        onClick={() => {
                          removed.value = role;
                        }}
                      >
                        {t("remove")}
                      </button>
                    </span>
                  )}
                </li>
              ))}
            </ul>
            <Pager
              pagination={pagination}
              onPage={(next) => {
                page.value = next;
              }}
            />
          </>
        )}
      </Shown>
      {edited.value !== null && (
        <EditRole
          role={edited.value}
          onChange={roles.reload}
          onClose={() => {
            edited.value = null;
          }}
        />
      )}
      {removed.value !== null && (
        <Confirm
          title={t("deleteRole", { name: removed.value.name })}
          text={t("deleteRoleText")}
          confirm={t("remove")}
          act={async () => {
            await call("DELETE", `/api/admin/roles/${removed.value?.id}`);
            await roles.reload();
          }}
          onClose={() => {
            removed.value = null;
          }}
        />
      )}
    </section>
  );
}

type EditProps = {
  readonly role: Role;
  readonly onChange: () => Promise<void>;
  readonly onClose: () => void;
};

function EditRole({ role, onChange, onClose }: EditProps) {
  const known = [...new Set([...PERMISSIONS, ...role.permissions])];
  return (
    <Dialog title={role.id === 0 ? t("newRole") : role.name} onClose={onClose}>
      <Form
        submit={t("save")}
        onDone={onClose}
        save={async (data) => {
          const body = { name: textOf(data, "name"), permissions: chosenOf(data, "permissions") };
          if (role.id === 0) await call("POST", "/api/admin/roles", { body });
          else await call("PUT", `/api/admin/roles/${role.id}`, { body });
          await onChange();
        }}
      >
        <Field name="name" label={t("name")} value={role.name} required maxLength={64} />
        <CheckList
          legend={t("permissions")}
          name="permissions"
          options={known.map((name) => [name, name === "*" ? t("everything") : name])}
          chosen={role.permissions}
        />
      </Form>
    </Dialog>
  );
}
