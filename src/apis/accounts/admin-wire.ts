import type { Account } from "../../domain/accounts.ts";
import type { AuditEntry } from "../../domain/audit.ts";
import type { Group } from "../../domain/groups.ts";
import type { NamedInvitation } from "../../domain/invitations.ts";
import type { Role } from "../../domain/roles.ts";
import type { ListedTask } from "../../domain/tasks.ts";
import { isoSeconds } from "../../http/dates.ts";

export const user = (account: Account) => ({
  id: account.uuid,
  username: account.username,
  email: account.email,
  full_name: account.fullName,
  is_active: account.deactivatedAt === null,
  created_at: isoSeconds(account.createdAt),
});

export const role = ({ id, name, permissions }: Role) => ({ id, name, permissions: [...permissions] });

export const group = ({ id, name, roles }: Group) => ({
  id,
  name,
  roles: roles.map((held) => ({ id: held.id, name: held.name })),
});

export const invitation = (row: NamedInvitation, publicUrl: string) => ({
  code: row.code,
  url: `${publicUrl}/login?invitation=${row.code}`,
  uses: row.uses,
  uses_left: row.usesLeft,
  expires_at: row.expiresAt === null ? null : isoSeconds(row.expiresAt),
  role: row.role,
  created_at: isoSeconds(row.createdAt),
});

export const task = ({ task: row, subject, requestedBy }: ListedTask) => ({
  id: row.id,
  kind: row.kind,
  status: row.status,
  attempts: row.attempts,
  error: row.error,
  subject,
  requested_by: requestedBy,
  created_at: isoSeconds(row.createdAt),
  finished_at: row.finishedAt === null ? null : isoSeconds(row.finishedAt),
});

export const auditEntry = ({
  entry,
  actor,
}: {
  readonly entry: AuditEntry;
  readonly actor: string | null;
}) => ({
  id: entry.id,
  at: isoSeconds(entry.at),
  actor,
  action: entry.action,
  target: entry.target,
  address: entry.address,
  details: entry.details === null ? null : { ...entry.details },
});
