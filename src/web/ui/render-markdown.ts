import DOMPurify from "dompurify";
import { Marked } from "marked";
import { t } from "../i18n.ts";

const escaped = (text: string) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

// 63 KB of text can ask for 70 million cells, and for 45 MB of HTML by one link that is used again and again.
const MAX_CELLS = 5_000;
const MAX_HTML_CHARACTERS = 500_000;
// Each level of a quotation is read anew, and so is each of a row of asterisks: seconds for 63 KB of them.
const TOO_DEEP = /(?:>[ \t]*){64}|[*_]{512}/;

let cells = 0;

// HTML in a text is shown as it was written: Markdown says all that a post needs.
const marked = new Marked({
  gfm: true,
  breaks: true,
  async: false,
  renderer: {
    html: (token) =>
      "block" in token && token.block ? `<p>${escaped(token.text)}</p>` : escaped(token.text),
  },
  tokenizer: {
    // A row has as many cells as the head, whatever is written in it. `false` leaves the table to the library.
    table(source) {
      const [, head = "", , rows = ""] = this.rules.block.table.exec(source) ?? [];
      cells += head.split("|").length * rows.split("\n").length;
      return cells > MAX_CELLS ? undefined : false;
    },
  },
});

// What a text needs. No forms, no styles, no ids that could stand for an element of the page, no data: addresses.
const ALLOWED = {
  ALLOWED_TAGS: [
    ...[
      "h1",
      "h2",
      "h3",
      "h4",
      "h5",
      "h6",
      "p",
      "br",
      "hr",
      "blockquote",
      "pre",
      "code",
      "em",
      "strong",
      "del",
    ],
    ...["ul", "ol", "li", "a", "img", "table", "thead", "tbody", "tr", "th", "td", "sup", "sub", "kbd"],
  ],
  ALLOWED_ATTR: ["href", "title", "src", "alt", "start", "align", "lang", "dir"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|\/(?!\/)|#)/i,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
} as const;

/** Markdown as a fragment without anything that could run or load. Throws for a text that would take too long. */
export function render(source: string): DocumentFragment {
  if (TOO_DEEP.test(source)) throw new Error("The text is nested too deeply.");
  cells = 0;
  const html = marked.parse(source) as string;
  if (html.length > MAX_HTML_CHARACTERS) throw new Error("The text becomes too large.");
  const fragment: DocumentFragment = DOMPurify.sanitize(html, {
    ...ALLOWED,
    ALLOWED_TAGS: [...ALLOWED.ALLOWED_TAGS],
    ALLOWED_ATTR: [...ALLOWED.ALLOWED_ATTR],
  });
  // Before anything is moved into the page's document, where a picture loads.
  for (const image of fragment.querySelectorAll("img")) showOwn(image);
  // The view has the first heading, and none below it leaves out a level.
  let last = 1;
  for (const heading of fragment.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    last = Math.min(Number(heading.tagName[1]) + 1, last + 1, 6);
    const lower = document.createElement(`h${last}`);
    lower.append(...heading.childNodes);
    heading.replaceWith(lower);
  }
  for (const link of fragment.querySelectorAll("a")) {
    const url = URL.parse(link.href, location.href);
    if (url === null) link.removeAttribute("href");
    if (url === null || url.origin === location.origin) continue;
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  for (const block of fragment.querySelectorAll("pre, table")) {
    // What scrolls sideways must be reached by keyboard too.
    const frame = document.createElement("div");
    frame.className = "prose-scroll";
    frame.tabIndex = 0;
    frame.role = "region";
    frame.ariaLabel = t(block.tagName === "PRE" ? "code" : "table");
    block.replaceWith(frame);
    frame.append(block);
  }
  return fragment;
}

/**
 * Only pictures that people uploaded here are shown. One of another host is a link: loading it would tell that host
 * who reads. Any other address of ours is none either, as it may do something when it is asked for.
 */
function showOwn(image: HTMLImageElement): void {
  const url = URL.parse(image.getAttribute("src") ?? "", location.href);
  const isOurs = url?.origin === location.origin;
  if (isOurs && url.pathname.startsWith("/avatars/")) return;
  if (url === null || isOurs || !image.hasAttribute("src")) {
    image.replaceWith(image.alt);
    return;
  }
  const link = document.createElement("a");
  link.href = url.href;
  link.textContent = `${t("image")}: ${image.alt || url.hostname}`;
  image.replaceWith(link);
}
