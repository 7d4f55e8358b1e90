import { useSignal } from "@preact/signals";
import { get } from "../../api.ts";
import { dateTime } from "../../format.ts";
import { t } from "../../i18n.ts";
import { useLoad } from "../../load.ts";
import type { AuditEntry, Page } from "../../shapes.ts";
import { Field, Form, textOf } from "../../ui/form.tsx";
import { Empty, Pager, Shown } from "../../ui/parts.tsx";

const PER_PAGE = 50;

export function Audit() {
  const page = useSignal(1);
  const action = useSignal("");
  const actor = useSignal("");
  const asked = new URLSearchParams({ page: String(page.value), limit: String(PER_PAGE) });
  if (action.value !== "") asked.set("action", action.value);
  if (actor.value !== "") asked.set("actor", actor.value);
  const entries = useLoad(`${asked}`, (signal) => get<Page<AuditEntry>>(`/api/admin/audit?${asked}`, signal));
  return (
    <div class="card">
      <Form
        class="filters"
        submit={t("filter")}
        label={t("filter")}
        save={async (data) => {
          action.value = textOf(data, "action");
          actor.value = textOf(data, "actor");
          page.value = 1;
        }}
      >
        <Field name="action" type="search" label={t("action")} maxLength={64} placeholder="sign-in.failed" />
        <Field name="actor" type="search" label={t("actorId")} maxLength={36} />
      </Form>
      <Shown of={entries} lines={10}>
        {({ data, pagination }) =>
          data.length === 0 ? (
            <Empty icon="search" text={t("nothingFound")} />
          ) : (
            <>
              {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reached by keyboard */}
              <section class="scroll-x" aria-label={t("audit")} tabIndex={0}>
                <Entries entries={data} />
              </section>
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
    </div>
  );
}

function Entries({ entries }: { readonly entries: readonly AuditEntry[] }) {
  return (
    <table class="small">
      <thead>
        <tr>
          <th scope="col">{t("at")}</th>
          <th scope="col">{t("action")}</th>
          <th scope="col">{t("actor")}</th>
          <th scope="col">{t("target")}</th>
          <th scope="col">{t("address")}</th>
          <th scope="col">{t("details")}</th>
        </tr>
      </thead>
      <tbody>
        {entries.map((entry) => (
          <tr key={entry.id}>
            <td class="nowrap">{dateTime(entry.at)}</td>
            <td class="nowrap">
              <strong>{entry.action}</strong>
            </td>
            <td class="nowrap">
              <Id value={entry.actor} />
            </td>
            <td class="nowrap">
              <Id value={entry.target} />
            </td>
            <td class="nowrap">{entry.address}</td>
            <td>{entry.details !== null && <code>{JSON.stringify(entry.details)}</code>}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The end of a UUID tells them apart; the whole of it is in the title. */
function Id({ value }: { readonly value: string | null }) {
  if (value === null) return <>–</>;
  const short = value.replace(/[0-9a-f]{8}-[0-9a-f-]{19}([0-9a-f]{8})/, "…$1");
  return <code title={value}>{short}</code>;
}
