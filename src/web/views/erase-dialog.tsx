import type { ComponentChildren } from "preact";
import { t } from "../i18n.ts";
import { Dialog } from "../ui/dialog.tsx";
import { Form } from "../ui/form.tsx";

type Props = {
  readonly title: string;
  /** What goes, and what stays. */
  readonly goes: string;
  readonly stays: string;
  readonly erase: (data: FormData) => Promise<unknown>;
  readonly onClose: () => void;
  /** The field by which it is confirmed. */
  readonly children: ComponentChildren;
};

/** Asks before an account with all that it left is gone for good. */
export function EraseDialog({ title, goes, stays, erase, onClose, children }: Props) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{goes}</p>
      <p>{stays}</p>
      <Form submit={t("erase")} isDangerous save={erase}>
        {children}
      </Form>
    </Dialog>
  );
}
