import { useSignal } from "@preact/signals";
import { blobOf, call, get, send } from "../api.ts";
import { ago, dateTime } from "../format.ts";
import { t } from "../i18n.ts";
import { useAction, useLoad } from "../load.ts";
import { go } from "../router.ts";
import { account } from "../session.ts";
import type { Session } from "../shapes.ts";
import { forget } from "../tokens.ts";
import { Confirm } from "../ui/dialog.tsx";
import { FailureNote } from "../ui/failure.tsx";
import { Field, Form, rawOf } from "../ui/form.tsx";
import { Badge, Shown, Title } from "../ui/parts.tsx";
import { EraseAccount } from "./profile/erase-account.tsx";
import { ProfileTabs } from "./profile.tsx";

export function Security() {
  return (
    <div class="reading">
      <Title text={t("security")} />
      <ProfileTabs at="security" />
      <Sessions />
      <ChangePassword />
      <OwnData />
    </div>
  );
}

function Sessions() {
  const sessions = useLoad("", (signal) => get<{ data: readonly Session[] }>("/api/auth/sessions", signal));
  const ending = useAction(async (path: string) => {
    await call("DELETE", path);
    await sessions.reload();
  });
  return (
    <section class="card" aria-labelledby="sessions">
      <h2 id="sessions">{t("sessions")}</h2>
      <p class="muted">{t("sessionsText")}</p>
      <Shown of={sessions}>
        {({ data }) => (
          <>
            <ul class="rows">
              {data.map((session) => (
                <li key={session.id} class="row-flex">
                  <div>
                    <p>
                      <strong>{deviceOf(session)}</strong>{" "}
                      {session.current && <Badge tone="good">{t("thisSession")}</Badge>}
                    </p>
                    <p class="muted small">
                      {session.address} ·{" "}
                      <time dateTime={session.last_used_at} title={dateTime(session.last_used_at)}>
                        {t("lastUsed", { time: ago(session.last_used_at) })}
                      </time>
                    </p>
                  </div>
                  {!session.current && (
                    <button
                      type="button"
                      class="small push"
                      disabled={ending.isRunning}
                      onClick={() => void ending.run(`/api/auth/sessions/${session.id}`)}
                    >
                      {t("signOutThere")}
                    </button>
                  )}
                </li>
              ))}
            </ul>
            <FailureNote error={ending.failure} />
            {data.length > 1 && (
              <button
                type="button"
                disabled={ending.isRunning}
                onClick={() => void ending.run("/api/auth/sessions")}
              >
                {t("signOutOthers")}
              </button>
            )}
          </>
        )}
      </Shown>
    </section>
  );
}

// What a user agent names, the telling ones first: each calls itself by the names of others too.
const PROGRAMS = { "Edg/": "Edge", "OPR/": "Opera", Firefox: "Firefox", Chrome: "Chrome", Safari: "Safari" };
const SYSTEMS = {
  Android: "Android",
  iPhone: "iPhone",
  iPad: "iPad",
  Windows: "Windows",
  Macintosh: "macOS",
  Linux: "Linux",
};

/** "Firefox, Linux"; else what the program calls itself. */
function deviceOf({ browser, user_agent: agent }: Session): string {
  if (browser !== null && browser !== "") return browser;
  const named = (names: Readonly<Record<string, string>>) =>
    Object.entries(names).find(([sign]) => agent?.includes(sign))?.[1];
  const names = [named(PROGRAMS), named(SYSTEMS)].filter((name) => name !== undefined);
  return names.join(", ") || (agent ?? t("unknownDevice"));
}

function ChangePassword() {
  const changes = useSignal(0);
  const save = (data: FormData) =>
    call("POST", "/api/auth/change-password", {
      body: {
        current_password: rawOf(data, "current_password"),
        password: rawOf(data, "password"),
        confirm_password: rawOf(data, "confirm_password"),
      },
    });
  return (
    <section class="card" aria-labelledby="password">
      <h2 id="password">{t("changePassword")}</h2>
      {changes.value > 0 && (
        <p class="note good" role="status">
          {t("passwordChanged")}
        </p>
      )}
      <Form
        key={changes.value}
        submit={t("changePassword")}
        save={save}
        onDone={() => {
          changes.value += 1;
        }}
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
          name="current_password"
          type="password"
          label={t("currentPassword")}
          autoComplete="current-password"
          required
        />
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
    </section>
  );
}

function OwnData() {
  const isClosing = useSignal(false);
  const isErasing = useSignal(false);
  const exporting = useAction(async () => {
    const file = await blobOf(await send("GET", "/api/users/me/export", { size: "transfer" }));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = "guildhall-export.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  });
  return (
    <section class="card" aria-labelledby="data">
      <h2 id="data">{t("yourData")}</h2>
      <FailureNote error={exporting.failure} />
      <div class="form-end">
        <button type="button" disabled={exporting.isRunning} onClick={() => void exporting.run()}>
          {t("exportData")}
        </button>
        <button
          type="button"
          class="danger"
          onClick={() => {
            isClosing.value = true;
          }}
        >
          {t("deactivate")}
        </button>
        <button
          type="button"
          class="danger"
          onClick={() => {
            isErasing.value = true;
          }}
        >
          {t("eraseOpen")}
        </button>
      </div>
      {isErasing.value && (
        <EraseAccount
          onClose={() => {
            isErasing.value = false;
          }}
        />
      )}
      {isClosing.value && (
        <Confirm
          title={t("deactivateTitle")}
          text={t("deactivateText")}
          confirm={t("deactivate")}
          act={async () => {
            await call("DELETE", `/api/users/${account.value?.me.id}`);
            forget({ elsewhere: false });
            go("/");
          }}
          onClose={() => {
            isClosing.value = false;
          }}
        />
      )}
    </section>
  );
}
