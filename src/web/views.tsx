import { useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Failure } from "./api.ts";
import { t } from "./i18n.ts";
import { path, place } from "./router.ts";
import { account, accountFailure, readAccount } from "./session.ts";
import { FailureNote } from "./ui/failure.tsx";
import { Empty, Loading, Title } from "./ui/parts.tsx";
import { Home } from "./views/home.tsx";

type View = ComponentType<{ readonly id: string }>;
type Route = {
  readonly pattern: RegExp;
  /** For who is signed in. */
  readonly closed?: true;
  /** It stays when another of its paths is opened. */
  readonly keepsState?: true;
  load(): Promise<View>;
};

// Each with its own file, but what the first page needs.
const ROUTES: readonly Route[] = [
  { pattern: /^\/$/, load: async () => Home },
  { pattern: /^\/login$/, load: () => import("./views/login.tsx").then((file) => file.Login) },
  {
    pattern: /^\/reset-password$/,
    load: () => import("./views/reset-password.tsx").then((file) => file.ResetPassword),
  },
  {
    pattern: /^\/verify-email$/,
    load: () => import("./views/verify-email.tsx").then((file) => file.VerifyEmail),
  },
  {
    pattern: /^\/chat(?:\/([\w-]{1,64}))?$/,
    closed: true,
    keepsState: true,
    load: () => import("./views/chat.tsx").then((file) => file.Chat),
  },
  { pattern: /^\/players$/, load: () => import("./views/players.tsx").then((file) => file.Players) },
  { pattern: /^\/players\/(\d+)$/, load: () => import("./views/player.tsx").then((file) => file.PlayerView) },
  { pattern: /^\/blog$/, load: () => import("./views/blog.tsx").then((file) => file.Blog) },
  {
    pattern: /^\/blog\/(?:new|edit\/([\w-]+))$/,
    closed: true,
    load: () => import("./views/editor.tsx").then((file) => file.Editor),
  },
  { pattern: /^\/blog\/([\w-]+)$/, load: () => import("./views/post.tsx").then((file) => file.PostView) },
  {
    pattern: /^\/profile$/,
    closed: true,
    load: () => import("./views/profile.tsx").then((file) => file.Profile),
  },
  {
    pattern: /^\/profile\/security$/,
    closed: true,
    load: () => import("./views/security.tsx").then((file) => file.Security),
  },
  {
    pattern: /^\/admin(?:\/([\w-]+))?$/,
    closed: true,
    load: () => import("./views/admin.tsx").then((file) => file.Admin),
  },
];

const seen = new Map<Route, View>();
const PROBE_MS = 10_000;

type Missing = { readonly route: Route; readonly failure: Failure };

/** Why a view's file did not come: the server is away, or it has another version by now. */
async function reasonOf(route: Route): Promise<Missing> {
  const probe = fetch("/", { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(PROBE_MS) });
  const isThere = await probe.then(
    ({ ok }) => ok,
    () => false,
  );
  const code = isThere ? "OUTDATED" : "OFFLINE";
  return { route, failure: new Failure("A part of this page did not load.", 0, code, null, null, null) };
}

/** The view of the address; what needs an account sends who has none to sign in first. */
export function Views() {
  const at = path.value;
  const route = ROUTES.find(({ pattern }) => pattern.test(at));
  const id = route?.pattern.exec(at)?.[1] ?? "";
  const loaded = useSignal(0);
  const attempts = useSignal(0);
  const missing = useSignal<Missing | null>(null);
  const isFirst = useRef(true);

  useEffect(() => {
    if (route === undefined || seen.has(route)) return;
    let isHere = true;
    missing.value = null;
    route.load().then(
      (view) => {
        seen.set(route, view);
        loaded.value += 1;
      },
      async () => {
        const reason = await reasonOf(route);
        if (isHere) missing.value = reason;
      },
    );
    return () => {
      isHere = false;
    };
  }, [route, attempts.value, loaded, missing]);

  useEffect(() => {
    // Who reads by ear or moves by keyboard starts at the new view, as after loading a page.
    if (isFirst.current) isFirst.current = false;
    else if (at !== "") document.getElementById("main")?.focus({ preventScroll: true });
  }, [at]);

  void loaded.value;
  if (route === undefined) return <Nothing />;
  if (route.closed === true && account.value === null) return <SignInFirst />;
  if (route.closed === true && account.value === undefined) {
    return accountFailure.value === null ? (
      <Loading />
    ) : (
      <FailureNote error={accountFailure.value} retry={() => void readAccount()} />
    );
  }
  const View = seen.get(route);
  if (View === undefined) {
    if (missing.value?.route !== route) return <Loading />;
    return <NotLoaded failure={missing.value.failure} retry={() => void attempts.value++} />;
  }
  // Another account or another thing is another view: nothing of the one before is left in it.
  return <View id={id} key={`${route.keepsState === true ? "" : at} ${account.value?.me.id ?? ""}`} />;
}

function NotLoaded({ failure, retry }: { readonly failure: Failure; readonly retry: () => void }) {
  if (failure.code === "OFFLINE") return <FailureNote error={failure} retry={retry} />;
  return (
    <FailureNote error={failure}>
      <button type="button" class="small" onClick={() => location.reload()}>
        {t("reload")}
      </button>
    </FailureNote>
  );
}

function Nothing() {
  return (
    <>
      <Title text={t("nothingHere")} />
      <Empty icon="search" text={t("nothingHereText")}>
        <a class="button" href="/">
          {t("home")}
        </a>
      </Empty>
    </>
  );
}

function SignInFirst() {
  const next = place.value.path + (place.value.query.size > 0 ? `?${place.value.query}` : "");
  return (
    <>
      <Title text={t("signInFirst")} />
      <Empty icon="lock" text={t("signInFirstText")}>
        <a class="button primary" href={`/login?next=${encodeURIComponent(next)}`}>
          {t("signIn")}
        </a>
      </Empty>
    </>
  );
}
