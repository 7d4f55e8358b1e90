import type { ComponentChildren } from "preact";
import { getAll } from "../../api.ts";
import { t } from "../../i18n.ts";
import { useLoad } from "../../load.ts";
import type { Group, Role } from "../../shapes.ts";
import { Badge, Shown } from "../../ui/parts.tsx";
import { CheckList, chosenOf } from "./check-list.tsx";
import { NamedThings } from "./named.tsx";

export function Groups() {
  return (
    <NamedThings<Group>
      at="/api/admin/groups"
      blank={{ roles: [] }}
      words={{
        all: t("groups"),
        make: t("newGroup"),
        removeTitle: (name) => t("deleteGroup", { name }),
        removeText: t("deleteGroupText"),
      }}
      badges={({ roles }) =>
        roles.map((role) => (
          <Badge key={role.id} tone="accent">
            {role.name}
          </Badge>
        ))
      }
      fields={(group, form) => <GroupFields group={group} form={form} />}
      sent={(form) => ({ roles: chosenOf(form, "roles").map(Number) })}
    />
  );
}

type FieldsProps = {
  readonly group: Group;
  readonly form: (fields: ComponentChildren) => ComponentChildren;
};

function GroupFields({ group, form }: FieldsProps) {
  const roles = useLoad("", (signal) => getAll<Role>("/api/admin/roles", signal));
  return (
    <Shown of={roles} lines={2}>
      {(all) =>
        form(
          <CheckList
            legend={t("roles")}
            name="roles"
            options={all.map((role) => [String(role.id), role.name])}
            chosen={group.roles.map((role) => String(role.id))}
          />,
        )
      }
    </Shown>
  );
}
