import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { t } from "../i18n.ts";
import type { Loaded } from "../load.ts";
import { FailureNote } from "./failure.tsx";
import { Icon, type IconName } from "./icon.tsx";

/** The view's name, in the window's title too. */
export function Title({ text, aside }: { readonly text: string; readonly aside?: ComponentChildren }) {
  useEffect(() => {
    document.title = `${text} · Guildhall`;
  }, [text]);
  return (
    <div class="title">
      <h1 tabIndex={-1}>{text}</h1>
      {aside !== undefined && <div class="title-aside">{aside}</div>}
    </div>
  );
}

/** Lines where something will be. */
export function Loading({ lines = 4 }: { readonly lines?: number }) {
  return (
    <div class="loading" role="status">
      <span class="sr-only">{t("loading")}</span>
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} class="loading-line" />
      ))}
    </div>
  );
}

type EmptyProps = { readonly icon: IconName; readonly text: string; readonly children?: ComponentChildren };

export function Empty({ icon, text, children }: EmptyProps) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <p>{text}</p>
      {children}
    </div>
  );
}

type ShownProps<T> = {
  readonly of: Loaded<T>;
  readonly lines?: number;
  /** It is what the view is about, so that without it there is no other heading. */
  readonly isView?: true;
  readonly children: (data: T) => ComponentChildren;
};

/** What was read; until then that it is being read, or why it was not. */
export function Shown<T>({ of: { data, failure, reload }, lines, isView, children }: ShownProps<T>) {
  return (
    <>
      {isView === true && failure !== null && data === null && <Title text={t("nothingHere")} />}
      <FailureNote error={failure} retry={() => void reload()} />
      {data === null
        ? failure === null && <Loading {...(lines === undefined ? {} : { lines })} />
        : children(data)}
    </>
  );
}

type PagerProps = {
  readonly pagination: { readonly page: number; readonly pages: number };
  readonly onPage: (page: number) => void;
};

export function Pager({ pagination: { page, pages }, onPage }: PagerProps) {
  if (pages <= 1) return null;
  return (
    <nav class="pager" aria-label={t("pages")}>
      <button type="button" disabled={page <= 1} onClick={() => onPage(page - 1)}>
        {t("previous")}
      </button>
      <span>{t("pageOf", { page, pages })}</span>
      <button type="button" disabled={page >= pages} onClick={() => onPage(page + 1)}>
        {t("next")}
      </button>
    </nav>
  );
}

type AvatarProps = { readonly name: string; readonly src?: string | null; readonly size?: "small" | "large" };

/** A picture of our own host, else the initials. Beside the name, so it says nothing itself. */
export function Avatar({ name, src = null, size }: AvatarProps) {
  const broken = useSignal<string | null>(null);
  const own = ownPicture(src);
  const shown = own !== null && own !== broken.value;
  const hue = [...name].reduce((sum, character) => (sum * 31 + (character.codePointAt(0) ?? 0)) % 360, 7);
  return (
    <span class={`avatar ${size ?? ""}`} style={shown ? {} : { "--hue": String(hue) }} aria-hidden="true">
      {shown ? (
        <img
          src={own}
          alt=""
          loading="lazy"
          onError={() => {
            broken.value = own;
          }}
        />
      ) : (
        initials(name)
      )}
    </span>
  );
}

// As this server calls them.
const PICTURE = /^\/avatars\/(avatar-)?[0-9a-f-]{36}(-[0-9a-f]{32})?\.(svg|png|jpg|webp)$/;

/** The path of a picture that this server has, whatever address it is known by; null for other hosts' ones. */
function ownPicture(src: string | null): string | null {
  if (src === null || src === "") return null;
  const url = URL.parse(src, location.origin);
  return url !== null && PICTURE.test(url.pathname) ? url.pathname : null;
}

function initials(name: string): string {
  const words = name
    .trim()
    .split(/[\s_.-]+/)
    .filter(Boolean);
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map(
    (word) => [...(word ?? "")][0] ?? "",
  );
  return letters.join("").toUpperCase() || "?";
}

export const pictureOf = (uuid: string) => `/avatars/${uuid}.svg`;

type BadgeProps = {
  readonly tone?: "good" | "bad" | "warn" | "accent" | undefined;
  readonly children: ComponentChildren;
};

export const Badge = ({ tone, children }: BadgeProps) => (
  <span class={`badge ${tone ?? ""}`}>{children}</span>
);
