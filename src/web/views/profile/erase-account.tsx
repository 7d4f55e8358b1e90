import { call } from "../../api.ts";
import { t } from "../../i18n.ts";
import { go } from "../../router.ts";
import { account } from "../../session.ts";
import { forget } from "../../tokens.ts";
import { Dialog } from "../../ui/dialog.tsx";
import { Field, Form, rawOf } from "../../ui/form.tsx";

export function EraseAccount({ onClose }: { readonly onClose: () => void }) {
  async function erase(data: FormData): Promise<void> {
    await call("POST", "/api/users/me/erase", { body: { password: rawOf(data, "password") } });
    forget({ elsewhere: false });
    go("/");
  }
  return (
    <Dialog title={t("eraseTitle")} onClose={onClose}>
      <p>{t("eraseText")}</p>
      <p>{t("eraseLeft")}</p>
      <Form submit={t("erase")} isDangerous save={erase}>
        <input
          type="text"
          name="username"
          autoComplete="username"
          value={account.value?.person.login}
          hidden
          readOnly
        />
        <Field
          name="password"
          type="password"
          label={t("currentPassword")}
          autoComplete="current-password"
          required
        />
      </Form>
    </Dialog>
  );
}
