import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../i18n.ts";
import { useAction } from "../load.ts";
import { FailureNote } from "./failure.tsx";
import { Icon } from "./icon.tsx";

type DialogProps = {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
};

/** Modal, by the browser's own element: it keeps the focus inside and gives it back, and Escape closes it. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const id = useId();
  const element = useRef<HTMLDialogElement>(null);
  const isShown = useRef(false);
  // Before the next key is heard: it is the dialog's, and who has the focus now gets it back.
  useLayoutEffect(() => {
    const dialog = element.current;
    const opener = document.activeElement;
    isShown.current = true;
    dialog?.showModal();
    return () => {
      isShown.current = false;
      dialog?.close();
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, []);
  // Closing tells so later, when another dialog may stand in this one's place.
  const closed = () => {
    if (isShown.current) onClose();
  };
  return (
    <dialog ref={element} aria-labelledby={id} onClose={closed}>
      <header class="dialog-head">
        <h2 id={id}>{title}</h2>
        <button type="button" class="plain icon-only" aria-label={t("close")} onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      {children}
    </dialog>
  );
}

type ConfirmProps = {
  readonly title: string;
  readonly text: string;
  readonly confirm: string;
  readonly act: () => Promise<unknown>;
  readonly onClose: () => void;
};

/** Asks before what cannot be undone. */
export function Confirm({ title, text, confirm, act, onClose }: ConfirmProps) {
  const acting = useAction(act);
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{text}</p>
      <FailureNote error={acting.failure} />
      <div class="form-end">
        <button
          type="button"
          class="danger"
          disabled={acting.isRunning}
          onClick={async () => {
            if (await acting.run()) onClose();
          }}
        >
          {confirm}
        </button>
        <button type="button" onClick={onClose}>
          {t("cancel")}
        </button>
      </div>
    </Dialog>
  );
}
