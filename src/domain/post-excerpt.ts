const MAX_CHARACTERS = 200;
// Enough for an excerpt even where most of it is links and pictures; keeps the work constant.
const READ_CHARACTERS = 4_000;

/** The beginning of a Markdown text as plain text of one line; cut at a word, with an ellipsis. May be "". */
export function excerptOf(content: string): string {
  const isWhole = content.length <= READ_CHARACTERS;
  const plain = plainText(content.slice(0, READ_CHARACTERS));
  if (plain.length <= MAX_CHARACTERS && isWhole) return plain;
  const room = plain.slice(0, MAX_CHARACTERS + 1);
  const end = room.lastIndexOf(" ");
  // One word that fills it all is cut where it is, though not inside a surrogate pair.
  const cut = end > 0 ? room.slice(0, end) : room.slice(0, MAX_CHARACTERS).replace(/[\ud800-\udbff]$/, "");
  return `${cut.replace(/[\s,;:.!?-]+$/, "")}…`;
}

// No pattern has two repetitions that could share a character: each takes time in proportion to the text.
function plainText(markdown: string): string {
  return (
    markdown
      .replace(/^ {0,3}(?:`{3,}|~{3,}).*$/gm, "")
      .replace(/^ {0,3}(?:[-*_] ?){3,}$/gm, "")
      .replace(/^=+$/gm, "")
      .replace(/^[ \t]*(?:>[ \t]?)+/gm, "")
      .replace(/^[ \t]*#{1,6}(?=[ \t])/gm, "")
      .replace(/^[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]/gm, "")
      .replace(/!?\[([^[\]\n]*)\](?:\([^()\s]*(?: "[^"\n]*")?\)|\[[^[\]\n]*\])/g, "$1")
      .replace(/<(https?:\/\/[^<>\s]+)>/g, "$1")
      .replace(/<\/?[a-z][^<>\n]*>|<!--[^<>]*-->/gi, "")
      .replace(/(?<!\\)(?:(?<=\S)[*~`]|[*~`](?=\S)|(?<![\p{L}\p{N}])_(?=\S)|(?<=\S)_(?![\p{L}\p{N}]))/gu, "")
      // An escaped character is itself.
      .replace(/\\([\\`*_{}[\]()#+\-.!~>|<])/g, "$1")
      .replace(/\s+/g, " ")
      .trim()
      // The part that was read may end inside a pair.
      .replace(/[\ud800-\udbff]$/, "")
  );
}
