import { call } from "../../api.ts";
import { t } from "../../i18n.ts";
import { go } from "../../router.ts";
import { account } from "../../session.ts";
import { forget } from "../../tokens.ts";
import { Field, rawOf } from "../../ui/form.tsx";
import { EraseDialog } from "../erase-dialog.tsx";

export function EraseAccount({ onClose }: { readonly onClose: () => void }) {
  async function erase(data: FormData): Promise<void> {
    await call("POST", "/api/users/me/erase", { body: { password: rawOf(data, "password") } });
    forget({ elsewhere: false });
    go("/");
  }
  return (
    <EraseDialog
      title={t("eraseTitle")}
      goes={t("eraseText")}
      stays={t("eraseLeft")}
      erase={erase}
      onClose={onClose}
    >
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
    </EraseDialog>
  );
}
