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
  const typing = connection.typing.value;
  function say(): void {
    const content = input.current?.value.trim() ?? "";
    if (input.current === null || content === "") return;
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
          maxLength={MAX_CHARACTERS}
          placeholder={t("message")}
          title={t("messageHint")}
          onInput={connection.isTyping}
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
