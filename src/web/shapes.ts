// What the APIs answer, as far as the app looks at it; /openapi.json says all of it.

export type Page<T> = {
  readonly data: readonly T[];
  readonly pagination: { readonly page: number; readonly pages: number; readonly total: number };
};

export type Me = {
  readonly id: string;
  readonly email: string;
  readonly full_name: string | null;
  readonly avatar_url: string | null;
  readonly location: string | null;
  readonly phone_number: string | null;
  readonly timezone: string | null;
  readonly language: string | null;
  readonly company: string | null;
  readonly email_verified: boolean;
  readonly created_at: string;
};

export type Person = {
  readonly id: number;
  readonly login: string;
  readonly email: string;
  readonly first_name: string;
  readonly last_name: string;
  readonly patronymic: string;
  readonly description: string;
  readonly background_color: string;
  readonly birthday: string;
  readonly avatar: string;
  readonly groups: readonly Named[];
  readonly roles: readonly Named[];
  readonly permissions: readonly string[];
};

export type Named = { readonly id: number; readonly name: string };

export type Session = {
  readonly id: string;
  readonly created_at: string;
  readonly last_used_at: string;
  readonly address: string;
  readonly user_agent: string | null;
  readonly browser: string | null;
  readonly current: boolean;
};

export type Player = {
  readonly email: string | null;
  readonly gender: string | null;
  readonly profile_pic: string | null;
  readonly self: string;
  readonly username: string;
};

export type RankedPlayer = Player & { readonly rank: number; readonly victory_count: number };

export type Counters = {
  readonly loss_count: number;
  readonly session_count: number;
  readonly total_time: number;
  readonly victory_count: number;
};

export type GameResult = "win" | "loss" | "draw";
export type Game = {
  readonly id: number;
  readonly role: string;
  readonly result: GameResult;
  readonly duration: number;
  readonly played_at: string;
};

export type TaskStatus = "PENDING" | "PROCESSING" | "DONE" | "FAILED";
export type StatsTask = {
  readonly id: string;
  readonly status: TaskStatus;
  readonly document_url?: string;
  readonly error?: string;
};

export type Author = { readonly id: string; readonly full_name: string | null };
export type PostStatus = "draft" | "published";
export type ListedPost = {
  readonly id: string;
  readonly title: string;
  readonly excerpt: string;
  readonly author: Author;
  readonly status: PostStatus;
  readonly created_at: string;
  readonly views: number;
};
export type Post = ListedPost & {
  readonly content: string;
  readonly updated_at: string;
  readonly comments_count: number;
};
export type Comment = {
  readonly id: string;
  readonly content: string;
  readonly author: Author;
  readonly created_at: string;
  readonly likes: number;
};

export type ListedUser = {
  readonly id: string;
  readonly email: string;
  readonly full_name: string | null;
  readonly is_active: boolean;
  readonly created_at: string;
};
export type NamedUser = ListedUser & { readonly username: string };
export type User = ListedUser & {
  readonly email_verified: boolean;
  readonly last_login_at: string | null;
  readonly login_count: number;
};
export type Role = Named & { readonly permissions: readonly string[] };
export type Group = Named & { readonly roles: readonly Named[] };
export type Invitation = {
  readonly code: string;
  readonly url: string;
  readonly uses: number;
  readonly uses_left: number;
  readonly expires_at: string | null;
  readonly role: string | null;
};
export type ReportTask = {
  readonly id: string;
  readonly kind: string;
  readonly status: TaskStatus;
  readonly attempts: number;
  readonly error: string | null;
  readonly subject: string;
  readonly requested_by: string;
  readonly created_at: string;
  readonly finished_at: string | null;
};
export type AuditEntry = {
  readonly id: number;
  readonly at: string;
  readonly actor: string | null;
  readonly action: string;
  readonly target: string | null;
  readonly address: string | null;
  readonly details: Readonly<Record<string, unknown>> | null;
};
