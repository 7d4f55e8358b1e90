import { useSignal } from "@preact/signals";
import { call, get } from "../../api.ts";
import { t } from "../../i18n.ts";
import { useLoad } from "../../load.ts";
import { account, readAccount } from "../../session.ts";
import type { Person, Player } from "../../shapes.ts";
import { Field, Form, Select, textOf } from "../../ui/form.tsx";
import { Shown } from "../../ui/parts.tsx";
import { changed } from "./changed.ts";

const LANGUAGES = [
  ["en", "English"],
  ["ru", "Русский"],
] as const;

export function AccountForm() {
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
