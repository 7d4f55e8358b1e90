import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type Key, t } from "../i18n.ts";
import { useAction } from "../load.ts";
import type { TaskStatus } from "../shapes.ts";
import { makeDocument } from "../task-watch.ts";
import { FailureNote } from "../ui/failure.tsx";
import { Icon } from "../ui/icon.tsx";

const STEPS: readonly TaskStatus[] = ["PENDING", "PROCESSING", "DONE"];

/** Asks for the PDF, tells how far it is, shows it and gives it to download. */
export function PlayerDocument({ id, username }: { readonly id: string; readonly username: string }) {
  const status = useSignal<TaskStatus | null>(null);
  const address = useSignal<string | null>(null);
  const leaving = useRef(new AbortController());
  const making = useAction(async () => {
    release();
    status.value = "PENDING";
    const document = await makeDocument(
      { id, username },
      (task) => {
        status.value = task.status;
      },
      leaving.current.signal,
    );
    address.value = URL.createObjectURL(document);
  });
  function release(): void {
    if (address.value !== null) URL.revokeObjectURL(address.value);
    address.value = null;
  }
  useEffect(
    () => () => {
      leaving.current.abort();
      release();
    },
    [],
  );
  const title = t("documentOf", { name: username });
  return (
    <section class="card" aria-labelledby="document">
      <header class="card-head">
        <h2 id="document">{t("document")}</h2>
        <div class="inline">
          {address.value !== null && (
            <a class="button small" href={address.value} download={`${username}.pdf`}>
              <Icon name="download" />
              {t("download")}
            </a>
          )}
          <button type="button" class="small" disabled={making.isRunning} onClick={() => void making.run()}>
            {t("askDocument")}
          </button>
        </div>
      </header>
      {status.value === null ? (
        <p class="muted">{t("documentText")}</p>
      ) : (
        <Progress status={status.value} isFailed={making.failure !== null} />
      )}
      <FailureNote error={making.failure} />
      {address.value !== null && navigator.pdfViewerEnabled && (
        <iframe class="pdf" src={`${address.value}#navpanes=0`} title={title} />
      )}
    </section>
  );
}

function Progress({ status, isFailed }: { readonly status: TaskStatus; readonly isFailed: boolean }) {
  const at = STEPS.indexOf(status);
  const failed = isFailed || status === "FAILED";
  const stateOf = (index: number) => {
    if (status === "DONE" || index < at) return "done";
    return index === at ? "now" : "";
  };
  return (
    <ol class="steps" aria-live="polite">
      {failed ? (
        <li class="failed">{t("taskFAILED")}</li>
      ) : (
        STEPS.map((step, index) => (
          <li key={step} class={stateOf(index)} aria-current={index === at ? "step" : undefined}>
            {t(`task${step}` satisfies Key)}
          </li>
        ))
      )}
    </ol>
  );
}
