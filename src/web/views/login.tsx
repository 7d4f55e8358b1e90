import { useEffect } from "preact/hooks";
import { call } from "../api.ts";
import { t } from "../i18n.ts";
import { go, place, safeNext } from "../router.ts";
import { account, signIn } from "../session.ts";
import { Field, Form, rawOf, textOf } from "../ui/form.tsx";
import { Title } from "../ui/parts.tsx";

/** Signing in, and signing up with `?sign-up` or an invitation. */
export function Login() {
  const { query } = place.value;
  const next = safeNext(query.get("next"));
  const invitation = query.get("invitation");
  const isNew = query.has("sign-up") || invitation !== null;
  const isIn = account.value !== null && account.value !== undefined;
  useEffect(() => {
    if (isIn) go(next, { replace: true });
  }, [isIn, next]);
  const other = (mode: string) => `/login?${mode}next=${encodeURIComponent(next)}`;
  return (
    <div class="narrow card">
      <Title text={t(isNew ? "signUp" : "signIn")} />
      {isNew ? <SignUp invitation={invitation} /> : <SignIn />}
      <p class="muted">
        {isNew ? (
          <>
            {t("haveAccount")} <a href={other("")}>{t("signIn")}</a>
          </>
        ) : (
          <>
            {t("noAccount")} <a href={other("sign-up=1&")}>{t("signUp")}</a>
          </>
        )}
      </p>
    </div>
  );
}

function SignIn() {
  return (
    <Form
      key="in"
      submit={t("signIn")}
      save={(data) => signIn(textOf(data, "email"), rawOf(data, "password"))}
      aside={<a href="/reset-password">{t("forgotPassword")}</a>}
    >
      <Field name="email" label={t("emailOrUsername")} autoComplete="username" required />
      <Field name="password" type="password" label={t("password")} autoComplete="current-password" required />
    </Form>
  );
}

function SignUp({ invitation }: { readonly invitation: string | null }) {
  async function signUp(data: FormData): Promise<void> {
    const email = textOf(data, "email");
    const password = rawOf(data, "password");
    const username = textOf(data, "username");
    await call("POST", "/api/auth/register", {
      anonymous: true,
      body: {
        email,
        password,
        full_name: textOf(data, "full_name"),
        ...(username === "" ? {} : { username }),
        ...(invitation === null ? {} : { invitation }),
      },
    });
    await signIn(email, password);
  }
  return (
    <Form key="up" submit={t("signUp")} save={signUp}>
      {invitation !== null && <p class="note">{t("invited")}</p>}
      <Field
        name="full_name"
        label={t("fullName")}
        autoComplete="name"
        required
        minLength={2}
        maxLength={100}
      />
      <Field
        name="username"
        label={t("username")}
        autoComplete="username"
        hint={t("usernameHint")}
        maxLength={64}
      />
      <Field name="email" type="email" label={t("email")} autoComplete="email" required />
      <Field
        name="password"
        type="password"
        label={t("password")}
        autoComplete="new-password"
        hint={t("passwordHint")}
        required
        minLength={8}
        maxLength={128}
      />
    </Form>
  );
}
