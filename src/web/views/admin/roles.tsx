import { t } from "../../i18n.ts";
import type { Role } from "../../shapes.ts";
import { Badge } from "../../ui/parts.tsx";
import { CheckList, chosenOf } from "./check-list.tsx";
import { NamedThings } from "./named.tsx";

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

const inWords = (permission: string): string => (permission === "*" ? t("everything") : permission);

export function Roles() {
  return (
    <NamedThings<Role>
      at="/api/admin/roles"
      blank={{ permissions: [] }}
      words={{
        all: t("roles"),
        make: t("newRole"),
        removeTitle: (name) => t("deleteRole", { name }),
        removeText: t("deleteRoleText"),
      }}
      isFixed={({ name }) => name === ADMIN}
      badges={({ permissions }) => permissions.map((name) => <Badge key={name}>{inWords(name)}</Badge>)}
      fields={({ permissions }, form) =>
        form(
          <CheckList
            legend={t("permissions")}
            name="permissions"
            options={[...new Set([...PERMISSIONS, ...permissions])].map((name) => [name, inWords(name)])}
            chosen={permissions}
          />,
        )
      }
      sent={(form) => ({ permissions: chosenOf(form, "permissions") })}
    />
  );
}
