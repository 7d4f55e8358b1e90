import { createRoute, z } from "@hono/zod-openapi";
import { TASK_STATUSES } from "../../domain/tasks.ts";
import { answer, body, failures, like, listOf, TOKEN } from "../../http/describe.ts";
import { text } from "../../http/input.ts";
import { pageQuery } from "../../http/paging.ts";
import { ApiError } from "../api-errors.ts";

const tags = ["administration"];
const MAX_USES = 1_000_000;
const MAX_IDS = 100;
const MAX_PERMISSIONS = 100;
const MAX_PERMISSION_CHARACTERS = 64;

const Time = z.string().openapi({ format: "date-time", example: "2026-04-14T10:30:00Z" });
const id = { params: z.object({ id: z.string() }) };
const query = { query: z.object(pageQuery(20)) };
const refusals = [401, 403, 429, 503] as const;
const inputRefusals = [400, 401, 403, 404, 409, 413, 415, 429, 503] as const;

const permission = z
  .string()
  .max(MAX_PERMISSION_CHARACTERS)
  .regex(/^(\*|[a-z0-9]+([.-][a-z0-9]+)*)$/, "is no permission, such as blog.moderate");

const Role = z
  .object({ id: z.number().int(), name: z.string(), permissions: z.array(z.string()) })
  .openapi("Role", { example: { id: 3, name: "editor", permissions: ["blog.moderate"] } });
const RoleInput = z.object({
  name: text(1, 64).openapi({ example: "editor" }),
  permissions: z
    .array(permission)
    .max(MAX_PERMISSIONS)
    .openapi({ example: ["blog.moderate"] }),
});

export const listRoles = createRoute({
  method: "get",
  path: "/api/admin/roles",
  tags,
  security: TOKEN,
  summary: "List the roles",
  request: query,
  responses: { 200: answer(listOf(Role), "A page of roles"), ...failures(ApiError, 400, ...refusals) },
});

export const createRole = createRoute({
  method: "post",
  path: "/api/admin/roles",
  tags,
  security: TOKEN,
  summary: "Make a role; nobody gives a permission that they do not have",
  request: body(RoleInput),
  responses: { 201: answer(Role, "Made"), ...failures(ApiError, ...inputRefusals) },
});

export const putRole = createRoute({
  method: "put",
  path: "/api/admin/roles/{id}",
  tags,
  security: TOKEN,
  summary: "Change a role; `admin` stays as it is",
  request: { ...id, ...body(RoleInput) },
  responses: { 200: answer(Role, "Changed"), ...failures(ApiError, ...inputRefusals) },
});

export const deleteRole = createRoute({
  method: "delete",
  path: "/api/admin/roles/{id}",
  tags,
  security: TOKEN,
  summary: "Delete a role; who had it has it no more",
  request: id,
  responses: { 204: { description: "Deleted" }, ...failures(ApiError, 404, ...refusals) },
});

const Group = z
  .object({
    id: z.number().int(),
    name: z.string(),
    roles: z.array(z.object({ id: z.number().int(), name: z.string() })),
  })
  .openapi("Group", { example: { id: 2, name: "staff", roles: [{ id: 3, name: "editor" }] } });
const Ids = z
  .array(z.number().int().min(1))
  .max(MAX_IDS)
  .openapi({ example: [3] });
const GroupInput = z.object({ name: text(1, 64).openapi({ example: "staff" }), roles: Ids });

export const listGroups = createRoute({
  method: "get",
  path: "/api/admin/groups",
  tags,
  security: TOKEN,
  summary: "List the groups",
  request: query,
  responses: { 200: answer(listOf(Group), "A page of groups"), ...failures(ApiError, 400, ...refusals) },
});

export const createGroup = createRoute({
  method: "post",
  path: "/api/admin/groups",
  tags,
  security: TOKEN,
  summary: "Make a group; its members have all its roles",
  request: body(GroupInput),
  responses: { 201: answer(Group, "Made"), ...failures(ApiError, ...inputRefusals) },
});

export const putGroup = createRoute({
  method: "put",
  path: "/api/admin/groups/{id}",
  tags,
  security: TOKEN,
  summary: "Change a group",
  request: { ...id, ...body(GroupInput) },
  responses: { 200: answer(Group, "Changed"), ...failures(ApiError, ...inputRefusals) },
});

export const deleteGroup = createRoute({
  method: "delete",
  path: "/api/admin/groups/{id}",
  tags,
  security: TOKEN,
  summary: "Delete a group",
  request: id,
  responses: { 204: { description: "Deleted" }, ...failures(ApiError, 404, ...refusals) },
});

export const getUser = createRoute({
  method: "get",
  path: "/api/admin/users/{id}",
  tags,
  security: TOKEN,
  summary: "Who a user is, with the username, which GET /api/users/{id} does not tell",
  request: id,
  responses: {
    200: answer(
      z.object({
        id: z.uuid().openapi({ example: "550e8400-e29b-41d4-a716-446655440000" }),
        username: z.string().openapi({ example: "ada" }),
        email: z.string().openapi({ example: "user@example.com" }),
        full_name: z.string().nullable().openapi({ example: "User Name" }),
        is_active: z.boolean().openapi({ example: true }),
        created_at: Time,
      }),
      "The user",
    ),
    ...failures(ApiError, 404, ...refusals),
  },
});

export const getUserRoles = createRoute({
  method: "get",
  path: "/api/admin/users/{id}/roles",
  tags,
  security: TOKEN,
  summary: "The roles that a user has directly",
  request: id,
  responses: {
    200: answer(z.object({ data: z.array(Role) }), "The roles"),
    ...failures(ApiError, 404, ...refusals),
  },
});

export const putUserRoles = createRoute({
  method: "put",
  path: "/api/admin/users/{id}/roles",
  tags,
  security: TOKEN,
  summary: "Replace the roles that a user has directly",
  request: { ...id, ...body(z.object({ ids: Ids })) },
  responses: {
    200: answer(z.object({ data: z.array(Role) }), "The roles now"),
    ...failures(ApiError, ...inputRefusals),
  },
});

export const getUserGroups = createRoute({
  method: "get",
  path: "/api/admin/users/{id}/groups",
  tags,
  security: TOKEN,
  summary: "The groups of a user",
  request: id,
  responses: {
    200: answer(z.object({ data: z.array(Group) }), "The groups"),
    ...failures(ApiError, 404, ...refusals),
  },
});

export const putUserGroups = createRoute({
  method: "put",
  path: "/api/admin/users/{id}/groups",
  tags,
  security: TOKEN,
  summary: "Replace the groups of a user",
  request: { ...id, ...body(z.object({ ids: Ids })) },
  responses: {
    200: answer(z.object({ data: z.array(Group) }), "The groups now"),
    ...failures(ApiError, ...inputRefusals),
  },
});

export const eraseUser = createRoute({
  method: "post",
  path: "/api/admin/users/{id}/erase",
  tags,
  security: TOKEN,
  summary: "Erase somebody else's account and what they left, for good; as POST /api/users/me/erase",
  request: id,
  responses: {
    204: { description: "Erased; what is left elsewhere follows" },
    ...failures(ApiError, 404, ...refusals),
  },
});

export const activateUser = createRoute({
  method: "post",
  path: "/api/admin/users/{id}/activate",
  tags,
  security: TOKEN,
  summary: "Undo a deactivation",
  request: id,
  responses: {
    200: answer(
      z.object({
        id: z.uuid().openapi({ example: "550e8400-e29b-41d4-a716-446655440000" }),
        is_active: z.literal(true),
      }),
      "Active",
    ),
    ...failures(ApiError, 404, ...refusals),
  },
});

const Invitation = z
  .object({
    code: like("Jx4nTq0vR2c"),
    url: like("https://example.com/login?invitation=Jx4nTq0vR2c"),
    uses: z.number().int().openapi({ example: 10 }),
    uses_left: z.number().int().openapi({ example: 7 }),
    expires_at: Time.nullable(),
    role: like("editor").nullable(),
    created_at: Time,
  })
  .openapi("Invitation");

export const listInvitations = createRoute({
  method: "get",
  path: "/api/admin/invitations",
  tags,
  security: TOKEN,
  summary: "List your invitations; administrators see all",
  request: query,
  responses: {
    200: answer(listOf(Invitation), "A page of invitations"),
    ...failures(ApiError, 400, ...refusals),
  },
});

export const createInvitation = createRoute({
  method: "post",
  path: "/api/admin/invitations",
  tags,
  security: TOKEN,
  summary: "Invite: a link with a number of uses and an end",
  request: body(
    z.object({
      uses: z.number().int().min(1).max(MAX_USES).openapi({ example: 10 }),
      expires_at: z.iso
        .datetime({ offset: true })
        .nullable()
        .optional()
        .openapi({ example: "2026-04-14T10:30:00Z" }),
      role: like("editor").nullable().optional(),
    }),
  ),
  responses: { 201: answer(Invitation, "Made"), ...failures(ApiError, ...inputRefusals) },
});

export const deleteInvitation = createRoute({
  method: "delete",
  path: "/api/admin/invitations/{code}",
  tags,
  security: TOKEN,
  summary: "Take an invitation back",
  request: { params: z.object({ code: z.string() }) },
  responses: { 204: { description: "Gone" }, ...failures(ApiError, 404, ...refusals) },
});

const Task = z
  .object({
    id: z.uuid().openapi({ example: "179c089a-827e-4436-a251-843131baa1e0" }),
    kind: like("stats"),
    status: z.enum(TASK_STATUSES).openapi({ example: "FAILED" }),
    attempts: z.number().int().openapi({ example: 3 }),
    error: like("The document could not be stored").nullable(),
    subject: like("xXx__WINNER__xXx").openapi({ description: "The username" }),
    requested_by: like("random_user").openapi({ description: "The username" }),
    created_at: Time,
    finished_at: Time.nullable(),
  })
  .openapi("ReportTask");

export const listTasks = createRoute({
  method: "get",
  path: "/api/admin/tasks",
  tags,
  security: TOKEN,
  summary: "List the report tasks, newest first",
  request: { query: z.object({ ...pageQuery(20), status: z.enum(TASK_STATUSES).optional() }) },
  responses: { 200: answer(listOf(Task), "A page of tasks"), ...failures(ApiError, 400, ...refusals) },
});

export const retryTask = createRoute({
  method: "post",
  path: "/api/admin/tasks/{id}/retry",
  tags,
  security: TOKEN,
  summary: "Try a failed task again",
  request: id,
  responses: { 200: answer(Task, "It waits to be made"), ...failures(ApiError, 404, 409, ...refusals) },
});

const AuditEntry = z
  .object({
    id: z.number().int().openapi({ example: 1 }),
    at: Time,
    actor: like("550e8400-e29b-41d4-a716-446655440000")
      .nullable()
      .openapi({ description: "The uuid of the account that acted" }),
    action: like("sign-in.failed"),
    target: like("550e8400-e29b-41d4-a716-446655440000").nullable(),
    address: like("203.0.113.7").nullable(),
    details: z.record(z.string(), z.unknown()).nullable().openapi({ example: null }),
  })
  .openapi("AuditEntry");

export const listAudit = createRoute({
  method: "get",
  path: "/api/admin/audit",
  tags,
  security: TOKEN,
  summary: "The audit log, newest first",
  request: {
    query: z.object({
      ...pageQuery(50),
      actor: z.string().optional().openapi({ description: "The uuid of an account" }),
      action: z.string().max(64).optional(),
    }),
  },
  responses: {
    200: answer(listOf(AuditEntry), "A page of entries"),
    ...failures(ApiError, 400, 404, ...refusals),
  },
});
