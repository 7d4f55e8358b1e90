import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call, get } from "../../api.ts";
import { dateTime } from "../../format.ts";
import { t } from "../../i18n.ts";
import { useAction, useLoad } from "../../load.ts";
import type { Page, ReportTask, TaskStatus } from "../../shapes.ts";
import { FailureNote } from "../../ui/failure.tsx";
import { Select } from "../../ui/form.tsx";
import { Badge, Empty, Pager, Shown } from "../../ui/parts.tsx";

const PER_PAGE = 20;
const REFRESH_MS = 5_000;
const STATUSES: readonly TaskStatus[] = ["PENDING", "PROCESSING", "DONE", "FAILED"];
const TONES = { PENDING: "warn", PROCESSING: "accent", DONE: "good", FAILED: "bad" } as const;

export function Tasks() {
  const page = useSignal(1);
  const status = useSignal("");
  const asked = new URLSearchParams({ page: String(page.value), limit: String(PER_PAGE) });
  if (status.value !== "") asked.set("status", status.value);
  const tasks = useLoad(`${asked}`, (signal) => get<Page<ReportTask>>(`/api/admin/tasks?${asked}`, signal));
  const retrying = useAction(async (id: string) => {
    await call("POST", `/api/admin/tasks/${id}/retry`);
    await tasks.reload();
  });
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") void tasks.reload();
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [tasks.reload]);
  return (
    <section class="card" aria-label={t("tasks")}>
      <div class="filters">
        <Select
          name="status"
          label={t("state")}
          options={[["", t("anyState")], ...STATUSES.map((name) => [name, t(`task${name}`)] as const)]}
          onChange={(value) => {
            status.value = value;
            page.value = 1;
          }}
        />
      </div>
      <FailureNote error={retrying.failure} />
      <Shown of={tasks} lines={8}>
        {({ data, pagination }) =>
          data.length === 0 ? (
            <Empty icon="blog" text={t("nothingYet")} />
          ) : (
            <>
              <ul class="rows">
                {data.map((task) => (
                  <li key={task.id} class="row-flex">
                    <Badge tone={TONES[task.status]}>{t(`task${task.status}`)}</Badge>
                    <div>
                      <strong>{task.subject}</strong>
                      <p class="muted small">
                        {t("requestedBy")}: {task.requested_by} · {dateTime(task.created_at)} ·{" "}
                        {t("attempts", { n: task.attempts })}
                      </p>
                      {task.error !== null && <p class="small field-wrong">{task.error}</p>}
                    </div>
                    {task.status === "FAILED" && (
                      <button
                        type="button"
                        class="small push"
                        disabled={retrying.isRunning}
                        onClick={() => void retrying.run(task.id)}
                      >
                        {t("retry")}
                      </button>
                    )}
                  </li>
                ))}
              </ul>
              <Pager
                pagination={pagination}
                onPage={(next) => {
                  page.value = next;
                }}
              />
            </>
          )
        }
      </Shown>
    </section>
  );
}
