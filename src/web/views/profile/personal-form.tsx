import { useSignal } from "@preact/signals";
import { call } from "../../api.ts";
import { t } from "../../i18n.ts";
import { account, readAccount } from "../../session.ts";
import { Field, Form, textOf } from "../../ui/form.tsx";
import { changed } from "./changed.ts";

export function PersonalForm() {
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
