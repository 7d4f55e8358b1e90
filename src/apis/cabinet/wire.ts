import type { Account } from "../../domain/accounts.ts";
import type { Memberships } from "../../domain/memberships.ts";
import type { InfoFields } from "./contract.ts";

type Named = { readonly id: number; readonly name: string };

/** What a person's JSON is made of besides the account itself. */
export type Surroundings = {
  /** Whether the viewer sees the e-mail address and the birthday. */
  readonly contactsVisible: boolean;
  /** The address of the picture. */
  readonly avatar: string;
  readonly memberships: Memberships;
};

export const person = (account: Account, { contactsVisible, avatar, memberships }: Surroundings) => ({
  id: account.id,
  login: account.username,
  email: contactsVisible ? account.email : "",
  first_name: account.firstName ?? "",
  last_name: account.lastName ?? "",
  created_at: timestamp(account.createdAt),
  description: account.description,
  background_color: account.backgroundColor,
  birthday: contactsVisible ? (account.birthday ?? "") : "",
  patronymic: account.patronymic ?? "",
  avatar,
  groups: memberships.groups.map(named),
  roles: memberships.roles.map(named),
});

export const info = (account: Account): InfoFields => ({
  first_name: account.firstName ?? "",
  last_name: account.lastName ?? "",
  patronymic: account.patronymic ?? "",
  birthday: account.birthday ?? "",
  description: account.description,
  background_color: account.backgroundColor,
});

const named = ({ id, name }: Named) => ({ id, name });

/** "2024-03-07 23:32:53.818302": UTC with microseconds, of which ours end in 000. */
const timestamp = (ms: number): string => `${new Date(ms).toISOString().slice(0, -1).replace("T", " ")}000`;
