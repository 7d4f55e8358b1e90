import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call } from "../api.ts";
import { t } from "../i18n.ts";
import { place } from "../router.ts";
import { forget } from "../tokens.ts";
import { Field, Form, rawOf, textOf } from "../ui/form.tsx";
import { Title } from "../ui/parts.tsx";

/** Asks for the mail; with the mail's `?token=` sets the new password. */
export function ResetPassword() {
  const token = useSignal(place.peek().query.get("token"));
  const done = useSignal<string | null>(null);
  useEffect(() => {
    // A secret is not left in the address bar and the history.
    if (token.value !== null) history.replaceState(null, "", "/reset-password");
  }, [token]);
  return (
    <div class="narrow card">
      <Title text={t(token.value === null ? "forgotPassword" : "newPassword")} />
      {done.value !== null ? (
        <p class="note good" role="status">
          {done.value} <a href="/login">{t("signIn")}</a>
        </p>
      ) : token.value === null ? (
        <Form
          key="ask"
          submit={t("sendLink")}
          save={async (data) => {
            await call("POST", "/api/auth/forgot-password", {
              body: { email: textOf(data, "email") },
              anonymous: true,
            });
            done.value = t("linkSent", { email: textOf(data, "email") });
          }}
        >
          <p class="muted">{t("forgotPasswordText")}</p>
          <Field name="email" type="email" label={t("email")} autoComplete="email" required />
        </Form>
      ) : (
        <Form
          key="set"
          submit={t("setPassword")}
          save={async (data) => {
            const body = {
              token: token.value,
              password: rawOf(data, "password"),
              confirm_password: rawOf(data, "confirm_password"),
            };
            await call("POST", "/api/auth/reset-password", { body, anonymous: true });
            // It has ended every session, this browser's too.
            forget({ elsewhere: false });
            done.value = t("passwordSet");
          }}
        >
          <Field
            name="password"
            type="password"
            label={t("newPassword")}
            autoComplete="new-password"
            hint={t("passwordHint")}
            required
            minLength={8}
            maxLength={128}
          />
          <Field
            name="confirm_password"
            type="password"
            label={t("repeatPassword")}
            autoComplete="new-password"
            required
          />
        </Form>
      )}
    </div>
  );
}
