import type { Hold, PersonOfRoom } from "../../chat/shapes.ts";
import { dateTime } from "../../format.ts";
import { type Key, t } from "../../i18n.ts";
import { Badge } from "../../ui/parts.tsx";

/** What somebody is in a room, until when; nothing for who is nothing. */
export function Standing({ of: { role, member, muted, banned } }: { readonly of: PersonOfRoom }) {
  return (
    <>
      {role !== null && <Badge tone="accent">{t(role === "owner" ? "owner" : "moderator")}</Badge>}
      {member && <Badge tone="good">{t("member")}</Badge>}
      {muted !== null && <Badge tone="warn">{held(muted, "mutedUntil", "mutedForever")}</Badge>}
      {banned !== null && <Badge tone="bad">{held(banned, "bannedUntil", "bannedForever")}</Badge>}
    </>
  );
}

const held = ({ until }: Hold, withEnd: Key, forever: Key): string =>
  until === null ? t(forever) : t(withEnd, { until: dateTime(until) });
