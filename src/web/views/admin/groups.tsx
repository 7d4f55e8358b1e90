import { useSignal } from "@preact/signals";
import { call, get, getAll } from "../../api.ts";
import { t } from "../../i18n.ts";
import { useLoad } from "../../load.ts";
import type { Group, Page, Role } from "../../shapes.ts";
import { Confirm, Dialog } from "../../ui/dialog.tsx";
import { Field, Form, textOf } from "../../ui/form.tsx";
import { Badge, Empty, Pager, Shown } from "../../ui/parts.tsx";
import { CheckList, chosenOf } from "./check-list.tsx";

const PER_PAGE = 20;
const NEW: Group = { id: 0, name: "", roles: [] };

export function Groups() {
  const page = useSignal(1);
  const edited = useSignal<Group | null>(null);
  const removed = useSignal<Group | null>(null);
  const groups = useLoad(`${page.value}`, (signal) =>
    get<Page<Group>>(`/api/admin/groups?page=${page.value}&limit=${PER_PAGE}`, signal),
  );
  return (
    <section class="card" aria-label={t("groups")}>
      <button
        type="button"
        class="primary"
        onClick={() => {
          edited.value = NEW;
        }}
      >
        {t("newGroup")}
      </button>
      <Shown of={groups}>
        {({ data, pagination }) =>
          data.length === 0 ? (
            <Empty icon="people" text={t("nothingYet")} />
          ) : (
            <>
              <ul class="rows">
                {data.map((group) => (
                  <li key={group.id} class="row-flex">
                    <strong>{group.name}</strong>
                    {group.roles.map((role) => (
                      <Badge key={role.id} tone="accent">
                        {role.name}
                      </Badge>
                    ))}
                    <span class="inline push">
                      <button
                        type="button"
                        class="small"
                        aria-label={`${t("edit")}: ${group.name}`}
                        onClick={() => {
                          edited.value = group;
                        }}
                      >
                        {t("edit")}
                      </button>
                      <button
                        type="button"
                        class="small"
                        aria-label={`${t("remove")}: ${group.name}`}
                        onClick={() => {
                          removed.value = group;
                        }}
                      >
                        {t("remove")}
                      </button>
                    </span>
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
          )
        }
      </Shown>
      {edited.value !== null && (
        <EditGroup
          group={edited.value}
          onChange={groups.reload}
          onClose={() => {
            edited.value = null;
          }}
        />
      )}
      {removed.value !== null && (
        <Confirm
          title={t("deleteGroup", { name: removed.value.name })}
          text={t("deleteGroupText")}
          confirm={t("remove")}
          act={async () => {
            await call("DELETE", `/api/admin/groups/${removed.value?.id}`);
            await groups.reload();
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
  readonly group: Group;
  readonly onChange: () => Promise<void>;
  readonly onClose: () => void;
};

function EditGroup({ group, onChange, onClose }: EditProps) {
  const roles = useLoad("", (signal) => getAll<Role>("/api/admin/roles", signal));
  return (
    <Dialog title={group.id === 0 ? t("newGroup") : group.name} onClose={onClose}>
      <Shown of={roles} lines={2}>
        {(all) => (
          <Form
            submit={t("save")}
            onDone={onClose}
            save={async (form) => {
              const body = { name: textOf(form, "name"), roles: chosenOf(form, "roles").map(Number) };
              if (group.id === 0) await call("POST", "/api/admin/groups", { body });
              else await call("PUT", `/api/admin/groups/${group.id}`, { body });
              await onChange();
            }}
          >
            <Field name="name" label={t("name")} value={group.name} required maxLength={64} />
            <CheckList
              legend={t("roles")}
              name="roles"
              options={all.map((role) => [String(role.id), role.name])}
              chosen={group.roles.map((role) => String(role.id))}
            />
          </Form>
        )}
      </Shown>
    </Dialog>
  );
}
