import { useSignal } from "@preact/signals";
import { useId, useRef } from "preact/hooks";
import type { RoomConnection } from "../../chat/connection.ts";
import { t } from "../../i18n.ts";
import { Icon } from "../../ui/icon.tsx";

const MAX_CHARACTERS = 4_000;

export function Composer({ connection }: { readonly connection: RoomConnection }) {
  const id = useId();
  const input = useRef<HTMLTextAreaElement>(null);
  const isFull = useSignal(false);
  const tooMany = useSignal(0);
  const typing = connection.typing.value;
  function say(): void {
    if (input.current === null) return;
    const content = storable(input.current.value);
    if (content === "") return;
    tooMany.value = excessOf(content);
    if (tooMany.value > 0) return;
    isFull.value = !connection.say(content);
    if (!isFull.value) input.current.value = "";
    input.current.focus();
  }
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        say();
      }}
    >
      <p class="typing" aria-live="polite">
        {typing.length === 1 && t("typingOne", { name: typing[0]?.username ?? "" })}
        {typing.length > 1 && t("typingMany", { n: typing.length })}
      </p>
      {connection.hasVanished.value && (
        <p class="muted small" role="status">
          {t("waitingVanished")}
        </p>
      )}
      {tooMany.value > 0 && (
        <p class="field-wrong" role="alert">
          {t("tooManyCharacters", { n: tooMany.value, most: MAX_CHARACTERS })}
        </p>
      )}
      {isFull.value && (
        <p class="failure" role="alert">
          {t("tooMuchWaiting")}
        </p>
      )}
      <div class="composer-line">
        <label class="sr-only" for={id}>
          {t("message")}
        </label>
        <textarea
          id={id}
          ref={input}
          rows={1}
          placeholder={t("message")}
          title={t("messageHint")}
          aria-invalid={tooMany.value > 0}
          onInput={(event) => {
            if (tooMany.value > 0) tooMany.value = excessOf(storable(event.currentTarget.value));
            connection.isTyping();
          }}
          onKeyDown={(event) => {
            // Enter also ends what an input method is composing.
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            say();
          }}
        />
        <button type="submit" class="primary icon-only" aria-label={t("send")}>
          <Icon name="send" />
        </button>
      </div>
    </form>
  );
}

/** Without what the server would refuse: NUL and halves of characters. */
const storable = (text: string): string => text.replaceAll("\0", "").toWellFormed().trim();

/** The server counts code points. */
const excessOf = (text: string): number =>
  text.length <= MAX_CHARACTERS ? 0 : Math.max(0, [...text].length - MAX_CHARACTERS);
