import type { ComponentChildren } from "preact";
import { type Key, t } from "../i18n.ts";
import { path } from "../router.ts";
import { account, may, signOut } from "../session.ts";
import { THEMES, theme } from "../theme.ts";
import { endedElsewhere } from "../tokens.ts";
import { unread } from "../unread.ts";
import { Icon, type IconName } from "./icon.tsx";
import { Avatar } from "./parts.tsx";

const PLACES: readonly (readonly [href: string, name: Key, icon: IconName])[] = [
  ["/", "home", "home"],
  ["/chat", "chat", "chat"],
  ["/players", "players", "players"],
  ["/blog", "blog", "blog"],
];

const ADMINISTRATION = [
  "users.read",
  "roles.manage",
  "audit.read",
  "tasks.manage",
  "chat.moderate",
  "invitations.create",
];

export function Shell({ children }: { readonly children: ComponentChildren }) {
  const administers = ADMINISTRATION.some(may);
  const places = administers ? [...PLACES, ["/admin", "adminShort", "admin"] as const] : PLACES;
  return (
    <>
      <a class="skip" href="#main">
        {t("skip")}
      </a>
      <header class="bar">
        <a class="brand" href="/">
          <svg class="brand-mark" viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="8" />
            <path d="M6 14 16 7l10 7v2H6zM8 18h3v6H8zm6.500 0h3v6h-3zM21 18h3v6h-3zM6 25.500h20V28H6z" />
          </svg>
          <span>Guildhall</span>
        </a>
        <nav class="places" aria-label={t("places")}>
          {places.map(([href, name, icon]) => (
            <a key={href} href={href} aria-current={isHere(href) ? "page" : undefined}>
              <Icon name={icon} />
              <span>{t(name)}</span>
              {name === "chat" && unread.value > 0 && (
                <span class="count">
                  {unread.value > 99 ? "99+" : unread.value}
                  <span class="sr-only"> {t("unread")}</span>
                </span>
              )}
            </a>
          ))}
        </nav>
        <div class="bar-end">
          <ThemeSwitch />
          <Whose />
        </div>
      </header>
      {endedElsewhere.value && (
        <p class="notice" role="status">
          {t("sessionEnded")} <a href="/login">{t("signIn")}</a>
        </p>
      )}
      <main id="main" tabIndex={-1} class={path.value.startsWith("/chat") ? "wide" : ""}>
        {children}
      </main>
      <footer class="foot">
        <a href="/docs">{t("apiDocs")}</a>
        <a href="/openapi.json">OpenAPI</a>
        <a href="/readyz">{t("serverState")}</a>
      </footer>
    </>
  );
}

const isHere = (href: string) => (href === "/" ? path.value === "/" : path.value.startsWith(href));

function ThemeSwitch() {
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "system";
  const name: Key =
    theme.value === "dark" ? "themeDark" : theme.value === "light" ? "themeLight" : "themeSystem";
  return (
    <button
      type="button"
      class="plain icon-only"
      aria-label={t("themeIs", { name: t(name) })}
      title={t("themeIs", { name: t(name) })}
      onClick={() => {
        theme.value = next;
      }}
    >
      <Icon name={theme.value} />
    </button>
  );
}

function Whose() {
  const who = account.value;
  if (who === undefined) return <span class="avatar" aria-hidden="true" />;
  if (who === null) {
    return (
      <a class="button primary" href="/login">
        {t("signIn")}
      </a>
    );
  }
  return (
    <>
      <a class="me" href="/profile" aria-label={`${t("profile")}: ${who.person.login}`}>
        <Avatar name={who.me.full_name ?? who.person.login} src={who.person.avatar} />
      </a>
      <button type="button" class="sign-out" onClick={signOut}>
        {t("signOut")}
      </button>
    </>
  );
}
