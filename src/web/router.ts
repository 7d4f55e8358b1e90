import { computed, signal } from "@preact/signals";

type Place = { readonly path: string; readonly query: URLSearchParams };

/** The server's own list of what is a page. */
const PAGES = /^\/($|(login|reset-password|verify-email)$|(chat|players|blog|profile|admin)(\/|$))/;

const here = (): Place => ({
  path: location.pathname.replace(/(.)\/+$/, "$1"),
  query: new URLSearchParams(location.search),
});

export const place = signal<Place>(here());
export const path = computed(() => place.value.path);

type Going = { readonly replace?: boolean; readonly keepScroll?: boolean };

export function go(href: string, { replace = false, keepScroll = false }: Going = {}): void {
  if (replace) history.replaceState(null, "", href);
  else history.pushState(null, "", href);
  const before = place.value.path;
  place.value = here();
  if (!keepScroll && before !== place.value.path) scrollTo(0, 0);
}

/** Only to a page of ours, so that a link cannot send who signs in to somebody else's. */
export const safeNext = (next: string | null): string =>
  next !== null && /^\/(?!\/|\\)/.test(next) && PAGES.test(next.split(/[?#]/)[0] ?? "") ? next : "/";

/** The page of whom the API knows by this address. */
export const playerPath = (player: { readonly self: string }): string =>
  player.self.replace("/users/", "/players/");

/** Plain links to pages are followed without loading the app again. */
export function startRouter(): void {
  addEventListener("popstate", () => {
    place.value = here();
  });
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
    if (!(link instanceof HTMLAnchorElement) || link.target !== "" || link.hasAttribute("download")) return;
    const url = URL.parse(link.href);
    if (url === null || url.origin !== location.origin || !PAGES.test(url.pathname)) return;
    if (url.pathname === location.pathname && url.search === location.search && url.hash !== "") return;
    event.preventDefault();
    go(url.pathname + url.search + url.hash);
  });
}
