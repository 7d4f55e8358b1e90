import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call } from "../api.ts";
import { t } from "../i18n.ts";
import { useAction } from "../load.ts";
import { place } from "../router.ts";
import { account, readAccount } from "../session.ts";
import { FailureNote } from "../ui/failure.tsx";
import { Title } from "../ui/parts.tsx";

/** Where the mailed link leads. It is used by a press: programs that look into mails open links too. */
export function VerifyEmail() {
  const token = useSignal(place.peek().query.get("token"));
  const isDone = useSignal(false);
  const verifying = useAction(async () => {
    await call("POST", "/api/auth/verify-email", { body: { token: token.value ?? "" }, anonymous: true });
    isDone.value = true;
    if (account.value) await readAccount();
  });
  useEffect(() => {
    if (token.value !== null) history.replaceState(null, "", "/verify-email");
  }, [token]);
  return (
    <div class="narrow card">
      <Title text={t("verifyEmail")} />
      {isDone.value ? (
        <p class="note good" role="status">
          {t("emailVerified")} <a href="/">{t("home")}</a>
        </p>
      ) : (
        <>
          <p class="muted">{t(token.value === null ? "verifyNoToken" : "verifyText")}</p>
          <FailureNote error={verifying.failure} />
          <div class="form-end">
            <button
              type="button"
              class="primary"
              disabled={token.value === null || verifying.isRunning}
              onClick={() => void verifying.run()}
            >
              {t("verifyEmail")}
            </button>
          </div>
        </>
      )}
    </div>
  );
}
