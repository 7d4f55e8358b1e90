/** What a mail is about; times in milliseconds since 1970. `username` and the addresses may be anything. */
export type MailText =
  | (Happened & { readonly kind: "reset" | "verify"; readonly token: string; readonly expiresAt: number })
  | (Happened & { readonly kind: "password-changed" | "refresh-token-reused"; readonly at: number })
  | (Happened & { readonly kind: "email-changed"; readonly newEmail: string; readonly at: number })
  | (Happened & {
      readonly kind: "backup-failed";
      /** By the server, or by somebody's command. */
      readonly made: "daily" | "manual";
      readonly reason: string;
      readonly at: number;
    });

type Happened = {
  readonly username: string;
  /** The network address of who did it. */
  readonly address?: string | null;
};

export type Written = { readonly subject: string; readonly text: string; readonly html: string };

type Language = "en" | "ru";

type Words = {
  readonly subject: string;
  readonly paragraphs: readonly string[];
  readonly button: string;
  /** Small print after the link. */
  readonly closing: string;
};

/** The mail in the account's language (a BCP 47 tag): Russian or else English. `publicUrl` has no slash at its end. */
export function write(text: MailText, language: string | null, publicUrl: string): Written {
  const spoken: Language = /^ru(?![a-z])/i.test(language ?? "") ? "ru" : "en";
  const words = spoken === "ru" ? russian(text) : english(text);
  const link = publicUrl + pathOf(text);
  const name = shown(text.username);
  const greeting = spoken === "ru" ? `Здравствуйте, ${name}!` : `Hello ${name},`;
  return {
    subject: words.subject,
    text: asText(greeting, words, link),
    html: asHtml(spoken, greeting, words, link),
  };
}

function pathOf(text: MailText): string {
  if (text.kind === "reset") return `/reset-password?token=${encodeURIComponent(text.token)}`;
  if (text.kind === "verify") return `/verify-email?token=${encodeURIComponent(text.token)}`;
  if (text.kind === "backup-failed") return "/admin/audit";
  return "/login";
}

function english(text: MailText): Words {
  const from = text.address ? ` from the address ${oneLine(text.address)}` : "";
  switch (text.kind) {
    case "reset":
      return {
        subject: "Set a new Guildhall password",
        paragraphs: [`Somebody asked${from} to set a new password for your Guildhall account.`],
        button: "Set a new password",
        closing: `The link works once, until ${time(text.expiresAt, "en")}. If it was not you, do nothing: your password stays as it is.`,
      };
    case "verify":
      return {
        subject: "Confirm your e-mail address for Guildhall",
        paragraphs: ["Please confirm that this e-mail address belongs to your Guildhall account."],
        button: "Confirm the address",
        closing: `The link works once, until ${time(text.expiresAt, "en")}. If you have no such account, do nothing.`,
      };
    case "password-changed":
      return {
        subject: "Your Guildhall password was changed",
        paragraphs: [`The password of your Guildhall account was changed on ${time(text.at, "en")}${from}.`],
        button: "Open Guildhall",
        closing: "If it was not you, ask for a new password there at once.",
      };
    case "refresh-token-reused":
      return {
        subject: "A Guildhall session was ended for safety",
        paragraphs: [
          `On ${time(text.at, "en")} somebody used an old key${from} that one of your devices had already replaced.`,
          "It may have been copied, so we ended that session. Please sign in again on that device.",
        ],
        button: "Sign in",
        closing: "If you do not know why this happened, change your password after signing in.",
      };
    case "email-changed":
      return {
        subject: "The e-mail address of your Guildhall account was changed",
        paragraphs: [
          `On ${time(text.at, "en")} the e-mail address of your Guildhall account was changed${from} to ${masked(text.newEmail)}.`,
          "Until the new address is confirmed, links for a new password still come to this one.",
        ],
        button: "Open Guildhall",
        closing: "If it was not you, set a new password and put your address back.",
      };
    case "backup-failed":
      return {
        subject:
          text.made === "daily" ? "The daily Guildhall backup failed" : "A Guildhall backup by hand failed",
        paragraphs: [
          `The backup of ${time(text.at, "en")} could not be made:`,
          sentence(text.reason),
          text.made === "daily"
            ? "It is tried again every hour. The backups from before are kept."
            : "It was asked for by a command, and is not tried again by itself. The backups from before are kept.",
        ],
        button: "Open the audit log",
        closing: "You get this mail since you are an administrator; at most one comes a day.",
      };
  }
}

function russian(text: MailText): Words {
  const from = text.address ? ` с адреса ${oneLine(text.address)}` : "";
  switch (text.kind) {
    case "reset":
      return {
        subject: "Новый пароль для Guildhall",
        paragraphs: [`Кто-то попросил${from} задать новый пароль для вашей учётной записи Guildhall.`],
        button: "Задать новый пароль",
        closing: `Ссылка сработает один раз, до ${time(text.expiresAt, "ru")}. Если это были не вы, ничего не делайте: пароль останется прежним.`,
      };
    case "verify":
      return {
        subject: "Подтвердите адрес почты для Guildhall",
        paragraphs: [
          "Пожалуйста, подтвердите, что этот адрес почты принадлежит вашей учётной записи Guildhall.",
        ],
        button: "Подтвердить адрес",
        closing: `Ссылка сработает один раз, до ${time(text.expiresAt, "ru")}. Если у вас нет такой учётной записи, ничего не делайте.`,
      };
    case "password-changed":
      return {
        subject: "Пароль Guildhall изменён",
        paragraphs: [`Пароль вашей учётной записи Guildhall изменён ${time(text.at, "ru")}${from}.`],
        button: "Открыть Guildhall",
        closing: "Если это были не вы, сразу запросите там новый пароль.",
      };
    case "refresh-token-reused":
      return {
        subject: "Сеанс Guildhall завершён ради безопасности",
        paragraphs: [
          `${time(text.at, "ru")} кто-то использовал${from} старый ключ, который одно из ваших устройств уже заменило.`,
          "Возможно, его скопировали, поэтому мы завершили этот сеанс. Войдите на том устройстве ещё раз.",
        ],
        button: "Войти",
        closing: "Если вы не знаете, почему это произошло, смените пароль после входа.",
      };
    case "email-changed":
      return {
        subject: "Адрес почты вашей учётной записи Guildhall изменён",
        paragraphs: [
          `${time(text.at, "ru")} адрес почты вашей учётной записи Guildhall изменён${from} на ${masked(text.newEmail)}.`,
          "Пока новый адрес не подтверждён, ссылки для нового пароля приходят на этот.",
        ],
        button: "Открыть Guildhall",
        closing: "Если это были не вы, задайте новый пароль и верните свой адрес.",
      };
    case "backup-failed":
      return {
        subject:
          text.made === "daily"
            ? "Ежедневная резервная копия Guildhall не создана"
            : "Резервная копия Guildhall по команде не создана",
        paragraphs: [
          `Резервную копию от ${time(text.at, "ru")} создать не удалось:`,
          sentence(text.reason),
          text.made === "daily"
            ? "Попытка повторяется каждый час. Прежние копии сохранены."
            : "Её запросили командой, сама попытка не повторится. Прежние копии сохранены.",
        ],
        button: "Открыть журнал аудита",
        closing: "Вы получили это письмо как администратор; такое письмо приходит не чаще раза в день.",
      };
  }
}

const asText = (greeting: string, words: Words, link: string): string =>
  [greeting, ...words.paragraphs, `${words.button}:\n${link}`, words.closing, "Guildhall"].join("\n\n");

// No colour of the page's own, so that a mail program's dark mode is left alone.
const PAGE = "margin:0;padding:24px;font:16px/1.5 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const BUTTON =
  "display:inline-block;padding:12px 24px;border-radius:8px;background:#005cc9;color:#ffffff;text-decoration:none";
const SMALL = "font-size:14px;opacity:0.75";

function asHtml(language: Language, greeting: string, words: Words, link: string): string {
  const href = escaped(link);
  const paragraphs = [greeting, ...words.paragraphs].map((paragraph) => `<p>${escaped(paragraph)}</p>`);
  return `<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<title>${escaped(words.subject)}</title>
</head>
<body style="${PAGE}">
<div style="max-width:560px;margin:0 auto">
${paragraphs.join("\n")}
<p style="margin:28px 0"><a href="${href}" style="${BUTTON}">${escaped(words.button)}</a></p>
<p style="${SMALL};word-break:break-all">${href}</p>
<p style="${SMALL}">${escaped(words.closing)}</p>
<p style="${SMALL}">Guildhall</p>
</div>
</body>
</html>
`;
}

const MAX_SHOWN_CHARACTERS = 64;
const MAX_REASON_CHARACTERS = 300;
const UNSEEN = /[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/** Short, and without characters that turn or break the line. */
function oneLine(given: string, most = MAX_SHOWN_CHARACTERS): string {
  const characters = [...given.replace(UNSEEN, " ").trim()];
  const short = characters.slice(0, most).join("");
  return characters.length > most ? `${short}…` : short;
}

/** A reason that the program gives; it may name a folder. */
const sentence = (given: string): string => oneLine(given, MAX_REASON_CHARACTERS);

/** What a stranger chose: a word joiner after each dot, colon and slash keeps mail programs from linking it. */
const shown = (given: string): string => oneLine(given).replace(/[.:/]/g, "$&\u2060");

/** `a***@example.org`: enough to know one's own, too little to write to it. */
function masked(email: string): string {
  const at = email.lastIndexOf("@");
  const [first = ""] = email;
  return shown(`${at > 0 ? first : ""}***${at < 0 ? "" : email.slice(at)}`);
}

function time(ms: number, language: Language): string {
  const locale = language === "en" ? "en-GB" : "ru";
  const format = new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "short", timeZone: "UTC" });
  return `${format.format(ms)} UTC`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
