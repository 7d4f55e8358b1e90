import { useSignal } from "@preact/signals";
import { call, get, getAll } from "../../api.ts";
import { dateTime } from "../../format.ts";
import { t } from "../../i18n.ts";
import { useAction, useLoad } from "../../load.ts";
import { account, may } from "../../session.ts";
import type { Group, ListedUser, Named, NamedUser, Page, Role, User } from "../../shapes.ts";
import { Confirm, Dialog } from "../../ui/dialog.tsx";
import { FailureNote } from "../../ui/failure.tsx";
import { Field, Form, Select, textOf } from "../../ui/form.tsx";
import { Avatar, Badge, Empty, Pager, pictureOf, Shown } from "../../ui/parts.tsx";
import { CheckList, chosenOf } from "./check-list.tsx";
import { EraseUser } from "./erase-user.tsx";

const PER_PAGE = 20;

export function Users() {
  const search = useSignal("");
  const state = useSignal("");
  const page = useSignal(1);
  const chosen = useSignal<ListedUser | null>(null);
  const asked = new URLSearchParams({ page: String(page.value), limit: String(PER_PAGE) });
  if (search.value !== "") asked.set("search", search.value);
  if (state.value !== "") asked.set("is_active", state.value);
  const users = useLoad(`${asked}`, (signal) => get<Page<ListedUser>>(`/api/users?${asked}`, signal));
  return (
    <section class="card" aria-label={t("users")}>
      <Form
        class="filters"
        label={t("searchUsers")}
        submit={t("search")}
        save={async (data) => {
          search.value = textOf(data, "search");
          state.value = textOf(data, "is_active");
          page.value = 1;
        }}
      >
        <Field name="search" type="search" label={t("searchUsers")} maxLength={200} />
        <Select
          name="is_active"
          label={t("state")}
          options={[
            ["", t("anyState")],
            ["true", t("active")],
            ["false", t("inactive")],
          ]}
        />
      </Form>
      <Shown of={users} lines={8}>
        {({ data, pagination }) =>
          data.length === 0 ? (
            <Empty icon="people" text={t("nothingFound")} />
          ) : (
            <>
              <ul class="rows">
                {data.map((user) => (
                  <li key={user.id} class="row-flex">
                    <Avatar name={user.full_name ?? user.email} src={pictureOf(user.id)} />
                    <div>
                      <strong>{user.full_name ?? user.email}</strong>{" "}
                      {!user.is_active && <Badge tone="bad">{t("inactive")}</Badge>}
                      <p class="muted small">{user.email}</p>
                    </div>
                    <button
                      type="button"
                      class="small push"
                      aria-label={`${t("manage")}: ${user.full_name ?? user.email}`}
                      onClick={() => {
                        chosen.value = user;
                      }}
                    >
                      {t("manage")}
                    </button>
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
      {chosen.value !== null && (
        <Dialog
          title={chosen.value.full_name ?? chosen.value.email}
          onClose={() => {
            chosen.value = null;
          }}
        >
          <OneUser
            id={chosen.value.id}
            onChange={users.reload}
            onErased={() => {
              chosen.value = null;
              void users.reload();
            }}
          />
        </Dialog>
      )}
    </section>
  );
}

type OneProps = {
  readonly id: string;
  readonly onChange: () => Promise<void>;
  readonly onErased: () => void;
};

function OneUser({ id, onChange, onErased }: OneProps) {
  const user = useLoad(id, async (signal) => {
    const [found, { username }] = await Promise.all([
      get<User>(`/api/users/${id}`, signal),
      get<NamedUser>(`/api/admin/users/${id}`, signal),
    ]);
    return { ...found, username };
  });
  async function changed(): Promise<void> {
    await Promise.all([user.reload(), onChange()]);
  }
  return (
    <Shown of={user}>
      {(found) => (
        <>
          <p class="muted">
            {found.username} · {found.email} · {t("created")}: {dateTime(found.created_at)}
            <br />
            {t("lastSignIn")}: {found.last_login_at === null ? t("never") : dateTime(found.last_login_at)} ·{" "}
            {t("signIns", { n: found.login_count })}
          </p>
          {may("roles.manage") && (
            <>
              <Memberships kind="roles" user={found} />
              <Memberships kind="groups" user={found} />
            </>
          )}
          {may("users.write") && <Activation user={found} onChange={changed} />}
          {may("users.write") && found.id !== account.value?.me.id && (
            <EraseUser user={found} onErased={onErased} />
          )}
        </>
      )}
    </Shown>
  );
}

type MembershipsProps = { readonly kind: "roles" | "groups"; readonly user: User };

function Memberships({ kind, user }: MembershipsProps) {
  const isSaved = useSignal(false);
  const choice = useLoad(user.id, async (signal) => {
    const [all, held] = await Promise.all([
      getAll<Role | Group>(`/api/admin/${kind}`, signal),
      get<{ data: readonly Named[] }>(`/api/admin/users/${user.id}/${kind}`, signal),
    ]);
    return { all, held: held.data.map(({ id }) => id) };
  });
  return (
    <Shown of={choice} lines={2}>
      {({ all, held }) =>
        all.length > 0 && (
          <Form
            submit={t("save")}
            label={t(kind)}
            aside={isSaved.value && <span role="status">{t("saved")}</span>}
            save={async (data) => {
              isSaved.value = false;
              await call("PUT", `/api/admin/users/${user.id}/${kind}`, {
                body: { ids: chosenOf(data, kind).map(Number) },
              });
              isSaved.value = true;
            }}
          >
            <CheckList
              legend={t(kind)}
              name={kind}
              options={all.map(({ id, name }) => [String(id), name])}
              chosen={held.map(String)}
            />
          </Form>
        )
      }
    </Shown>
  );
}

type ActivationProps = { readonly user: User; readonly onChange: () => Promise<void> };

function Activation({ user, onChange }: ActivationProps) {
  const isAsking = useSignal(false);
  const activating = useAction(async () => {
    await call("POST", `/api/admin/users/${user.id}/activate`);
    await onChange();
  });
  return (
    <>
      <FailureNote error={activating.failure} />
      {user.is_active ? (
        <button
          type="button"
          class="danger"
          onClick={() => {
            isAsking.value = true;
          }}
        >
          {t("deactivateUser")}
        </button>
      ) : (
        <button type="button" disabled={activating.isRunning} onClick={() => void activating.run()}>
          {t("activate")}
        </button>
      )}
      {isAsking.value && (
        <Confirm
          title={t("deactivateUserTitle", { name: user.full_name ?? user.email })}
          text={t("deactivateUserText")}
          confirm={t("deactivateUser")}
          act={async () => {
            await call("DELETE", `/api/users/${user.id}`);
            await onChange();
          }}
          onClose={() => {
            isAsking.value = false;
          }}
        />
      )}
    </>
  );
}
