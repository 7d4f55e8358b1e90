import { type Key, t } from "../i18n.ts";
import { may } from "../session.ts";
import { Empty, Title } from "../ui/parts.tsx";
import { Audit } from "./admin/audit.tsx";
import { Groups } from "./admin/groups.tsx";
import { Invitations } from "./admin/invitations.tsx";
import { Roles } from "./admin/roles.tsx";
import { Rooms } from "./admin/rooms.tsx";
import { Tasks } from "./admin/tasks.tsx";
import { Users } from "./admin/users.tsx";

const PARTS = [
  { name: "users", permission: "users.read", View: Users },
  { name: "roles", permission: "roles.manage", View: Roles },
  { name: "groups", permission: "roles.manage", View: Groups },
  { name: "invitations", permission: "invitations.create", View: Invitations },
  { name: "rooms", permission: "chat.moderate", View: Rooms },
  { name: "tasks", permission: "tasks.manage", View: Tasks },
  { name: "audit", permission: "audit.read", View: Audit },
] as const satisfies readonly { readonly name: Key; readonly permission: string; readonly View: unknown }[];

/** What the account may administer; the server judges each request again. */
export function Admin({ id }: { readonly id: string }) {
  const allowed = PARTS.filter(({ permission }) => may(permission));
  const part = id === "" ? allowed[0] : allowed.find(({ name }) => name === id);
  return (
    <>
      <Title text={t("admin")} />
      <nav class="tabs" aria-label={t("admin")}>
        {allowed.map(({ name }) => (
          <a key={name} href={`/admin/${name}`} aria-current={name === part?.name ? "page" : undefined}>
            {t(name)}
          </a>
        ))}
      </nav>
      {part === undefined ? <Empty icon="lock" text={t("noPermission")} /> : <part.View />}
    </>
  );
}
