import { useSignal } from "@preact/signals";
import { call, get } from "../api.ts";
import { t } from "../i18n.ts";
import { useAction, useLoad } from "../load.ts";
import { account, readAccount } from "../session.ts";
import type { Person, Player } from "../shapes.ts";
import { FailureNote } from "../ui/failure.tsx";
import { Field, Form, Select, textOf } from "../ui/form.tsx";
import { Avatar, Badge, Shown, Title } from "../ui/parts.tsx";

const LANGUAGES = [
  ["en", "English"],
  ["ru", "Русский"],
] as const;

export function ProfileTabs({ at }: { readonly at: "about" | "security" }) {
  return (
    <nav class="tabs" aria-label={t("profile")}>
      <a href="/profile" aria-current={at === "about" ? "page" : undefined}>
        {t("aboutYou")}
      </a>
      <a href="/profile/security" aria-current={at === "security" ? "page" : undefined}>
        {t("security")}
      </a>
    </nav>
  );
}

export function Profile() {
  return (
    <div class="reading">
      <Title text={t("profile")} />
      <ProfileTabs at="about" />
      <Picture />
      <AccountForm />
      <PersonalForm />
      <Memberships />
    </div>
  );
}

function Picture() {
  const uploading = useAction(async (file: File) => {
    const form = new FormData();
    form.set("avatar", file);
    await call("POST", "/account/edit/avatar", { form });
    await readAccount();
  });
  const who = account.value;
  if (!who) return null;
  return (
    <section class="card" aria-labelledby="picture">
      <h2 id="picture">{t("picture")}</h2>
      <div class="person">
        <Avatar name={who.me.full_name ?? who.person.login} src={who.person.avatar} size="large" />
        <div>
          <label class="button">
            {t("uploadPicture")}
            <input
              class="sr-only"
              type="file"
              accept="image/png,image/jpeg,image/webp"
              disabled={uploading.isRunning}
              onChange={(event) => {
                const file = event.currentTarget.files?.[0];
                if (file !== undefined) void uploading.run(file);
                event.currentTarget.value = "";
              }}
            />
          </label>
          <p class="field-hint">{t("pictureHint")}</p>
        </div>
      </div>
      <FailureNote error={uploading.failure} />
    </section>
  );
}

/** Only what was changed is sent: each API judges what is sent to it, also what another one took. */
function changed(now: Readonly<Record<string, string>>, before: Readonly<Record<string, unknown>>) {
  return Object.entries(now).filter(([name, value]) => value !== String(before[name] ?? ""));
}

function AccountForm() {
  const who = account.value;
  const isSaved = useSignal(false);
  const player = useLoad(`${who?.person.id}`, (signal) => get<Player>(`/users/${who?.person.id}`, signal));
  // What everybody is shown; there is no other way to ask.
  const seen = useLoad(`${who?.person.id}`, (signal) =>
    call<Person>("GET", `/info/users/search-${who?.person.id}`, { signal, anonymous: true }),
  );
  if (!who) return null;
  const { me, person } = who;
  async function save(data: FormData): Promise<void> {
    isSaved.value = false;
    const fields = [
      "full_name",
      "username",
      "email",
      "location",
      "phone_number",
      "company",
      "timezone",
      "language",
    ];
    const now = Object.fromEntries(fields.map((name) => [name, textOf(data, name)]));
    const before = { ...me, username: person.login };
    const isVisible = data.get("email_visible") === "on";
    const changes: Record<string, unknown> = Object.fromEntries(
      changed(now, before).map(([name, value]) => [name, value === "" ? null : value]),
    );
    if (isVisible !== (seen.data?.email !== "")) changes.email_visible = isVisible;
    if (Object.keys(changes).length > 0) await call("PUT", `/api/users/${me.id}`, { body: changes });
    const gender = textOf(data, "gender");
    if (gender !== (player.data?.gender ?? "")) {
      await call("PATCH", `/users/${person.id}`, { body: { gender: gender === "" ? null : gender } });
    }
    await Promise.all([readAccount(), player.reload(), seen.reload()]);
    isSaved.value = true;
  }
  return (
    <section class="card" aria-labelledby="account">
      <h2 id="account">{t("account")}</h2>
      <Shown of={player}>
        {({ gender }) => (
          <Shown of={seen}>
            {({ email }) => (
              <Form
                submit={t("save")}
                save={save}
                aside={isSaved.value && <span role="status">{t("saved")}</span>}
              >
                <div class="grid">
                  <Field
                    name="full_name"
                    label={t("fullName")}
                    value={me.full_name ?? ""}
                    autoComplete="name"
                    required
                    maxLength={100}
                  />
                  <Field
                    name="username"
                    label={t("username")}
                    value={person.login}
                    autoComplete="username"
                    required
                    maxLength={64}
                  />
                  <Field
                    name="email"
                    type="email"
                    label={t("email")}
                    value={me.email}
                    autoComplete="email"
                    hint={t(me.email_verified ? "emailConfirmed" : "emailUnconfirmed")}
                    required
                  />
                  <Field
                    name="phone_number"
                    type="tel"
                    label={t("phone")}
                    value={me.phone_number ?? ""}
                    autoComplete="tel"
                  />
                  <Field name="location" label={t("location")} value={me.location ?? ""} maxLength={200} />
                  <Field
                    name="company"
                    label={t("company")}
                    value={me.company ?? ""}
                    autoComplete="organization"
                    maxLength={200}
                  />
                  <Field name="gender" label={t("gender")} value={gender ?? ""} maxLength={64} />
                  <Select
                    name="language"
                    label={t("language")}
                    value={me.language ?? ""}
                    options={[["", t("languageNone")], ...LANGUAGES, ...otherLanguage(me.language)]}
                  />
                  <Select
                    name="timezone"
                    label={t("timezone")}
                    value={me.timezone ?? ""}
                    options={[["", t("timezoneNone")], ...zones(me.timezone)]}
                  />
                </div>
                <label class="check">
                  <input type="checkbox" name="email_visible" defaultChecked={email !== ""} />
                  <span>{t("emailVisible")}</span>
                </label>
              </Form>
            )}
          </Shown>
        )}
      </Shown>
    </section>
  );
}

const otherLanguage = (tag: string | null): readonly (readonly [string, string])[] =>
  tag === null || LANGUAGES.some(([known]) => known === tag) ? [] : [[tag, tag]];

function zones(own: string | null): readonly (readonly [string, string])[] {
  const known = Intl.supportedValuesOf("timeZone");
  const all = own === null || known.includes(own) ? known : [own, ...known];
  return all.map((zone) => [zone, zone.replaceAll("_", " ")]);
}

function PersonalForm() {
  const isSaved = useSignal(false);
  const who = account.value;
  if (!who) return null;
  const { person } = who;
  async function save(data: FormData): Promise<void> {
    isSaved.value = false;
    const fields = ["first_name", "last_name", "patronymic", "birthday", "description", "background_color"];
    const now = Object.fromEntries(fields.map((name) => [name, textOf(data, name)]));
    const before = { ...person, background_color: person.background_color.toLowerCase() };
    const changes = changed(now, before);
    if (changes.length > 0) await call("POST", "/account/edit/info", { body: Object.fromEntries(changes) });
    await readAccount();
    isSaved.value = true;
  }
  return (
    <section class="card" aria-labelledby="personal">
      <h2 id="personal">{t("personal")}</h2>
      <p class="muted small">{t("personalText")}</p>
      <Form submit={t("save")} save={save} aside={isSaved.value && <span role="status">{t("saved")}</span>}>
        <div class="grid">
          <Field name="first_name" label={t("firstName")} value={person.first_name} maxLength={256} />
          <Field name="last_name" label={t("lastName")} value={person.last_name} maxLength={256} />
          <Field name="patronymic" label={t("patronymic")} value={person.patronymic} maxLength={256} />
          <Field name="birthday" type="date" label={t("birthday")} value={person.birthday} />
        </div>
        <Field
          name="description"
          label={t("description")}
          value={person.description}
          rows={4}
          maxLength={2000}
        />
        <Field
          name="background_color"
          type="color"
          label={t("backgroundColor")}
          value={person.background_color.toLowerCase()}
          required
        />
      </Form>
    </section>
  );
}

function Memberships() {
  const who = account.value;
  if (!who) return null;
  const { roles, groups } = who.person;
  return (
    <section class="card" aria-labelledby="memberships">
      <h2 id="memberships">{t("memberships")}</h2>
      {roles.length + groups.length === 0 ? (
        <p class="muted">{t("noMemberships")}</p>
      ) : (
        <p class="inline">
          {roles.map((role) => (
            <Badge key={`role ${role.id}`} tone="accent">
              {role.name}
            </Badge>
          ))}
          {groups.map((group) => (
            <Badge key={`group ${group.id}`}>{group.name}</Badge>
          ))}
        </p>
      )}
    </section>
  );
}
