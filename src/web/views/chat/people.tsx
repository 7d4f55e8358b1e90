import type { ChatUser } from "../../chat/shapes.ts";
import { t } from "../../i18n.ts";
import { Icon } from "../../ui/icon.tsx";
import { Avatar } from "../../ui/parts.tsx";

type Props = {
  readonly members: readonly ChatUser[];
  readonly own: number;
  /** Null for who may not. */
  readonly onModerate: ((person: ChatUser) => void) | null;
};

/** Who is here. */
export function People({ members, own, onModerate }: Props) {
  const sorted = [...members].sort((one, other) => one.username.localeCompare(other.username));
  return (
    <>
      <p class="muted small">{t("here", { n: members.length })}</p>
      <ul class="people">
        {sorted.map((member) => (
          <li key={member.id}>
            <Avatar name={member.username} size="small" />
            <span class="person-name">
              {member.username}
              {member.id === own && <span class="muted small"> ({t("you")})</span>}
            </span>
            {onModerate !== null && member.id !== own && (
              <button
                type="button"
                class="plain icon-only small"
                aria-label={`${t("moderate")}: ${member.username}`}
                onClick={() => onModerate(member)}
              >
                <Icon name="more" />
              </button>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}
