import { useSignal } from "@preact/signals";
import { call, Failure } from "../../api.ts";
import { t } from "../../i18n.ts";
import type { NamedUser } from "../../shapes.ts";
import { Field, textOf } from "../../ui/form.tsx";
import { EraseDialog } from "../erase-dialog.tsx";

type Props = { readonly user: NamedUser; readonly onErased: () => void };

/** Somebody else's. Their username is to be typed, since a slip of the hand opens the wrong row, but types no name. */
export function EraseUser({ user, onErased }: Props) {
  const isAsking = useSignal(false);
  async function erase(data: FormData): Promise<void> {
    if (textOf(data, "username").normalize("NFC") !== user.username)
      throw new Failure("", 0, "OTHER_USERNAME", "username", null, null);
    await call("POST", `/api/admin/users/${user.id}/erase`);
    onErased();
  }
  return (
    <>
      <button
        type="button"
        class="danger"
        onClick={() => {
          isAsking.value = true;
        }}
      >
        {t("eraseUser")}
      </button>
      {isAsking.value && (
        <EraseDialog
          title={t("eraseUserTitle", { name: user.full_name ?? user.email })}
          goes={t("eraseUserText")}
          stays={t("eraseUserLeft")}
          erase={erase}
          onClose={() => {
            isAsking.value = false;
          }}
        >
          <Field
            name="username"
            label={t("eraseUserConfirm", { username: user.username })}
            autoComplete="off"
            required
          />
        </EraseDialog>
      )}
    </>
  );
}
