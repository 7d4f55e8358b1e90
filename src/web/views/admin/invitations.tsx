import { useSignal } from "@preact/signals";
import { call, get } from "../../api.ts";
import { dateTime } from "../../format.ts";
import { t } from "../../i18n.ts";
import { useAction, useLoad } from "../../load.ts";
import type { Invitation, Page } from "../../shapes.ts";
import { FailureNote } from "../../ui/failure.tsx";
import { Field, Form, textOf } from "../../ui/form.tsx";
import { Badge, Empty, Pager, Shown } from "../../ui/parts.tsx";

const PER_PAGE = 20;
const DAY_MS = 24 * 60 * 60 * 1_000;

export function Invitations() {
  const page = useSignal(1);
  const list = useLoad(`${page.value}`, (signal) =>
    get<Page<Invitation>>(`/api/admin/invitations?page=${page.value}&limit=${PER_PAGE}`, signal),
  );
  const removing = useAction(async (code: string) => {
    await call("DELETE", `/api/admin/invitations/${code}`);
    await list.reload();
  });
  async function invite(data: FormData): Promise<void> {
    const days = textOf(data, "days");
    const role = textOf(data, "role");
    await call("POST", "/api/admin/invitations", {
      body: {
        uses: Number(textOf(data, "uses")),
        expires_at: days === "" ? null : new Date(Date.now() + Number(days) * DAY_MS).toISOString(),
        role: role === "" ? null : role,
      },
    });
    await list.reload();
  }
  return (
    <section class="card" aria-label={t("invitations")}>
      <Form class="filters" submit={t("newInvitation")} label={t("newInvitation")} save={invite}>
        <Field name="uses" type="number" label={t("uses")} value="1" min={1} required />
        <Field name="days" type="number" label={t("endsInDays")} value="14" min={1} />
        <Field name="role" label={t("role")} maxLength={64} />
      </Form>
      <FailureNote error={removing.failure} />
      <Shown of={list}>
        {({ data, pagination }) =>
          data.length === 0 ? (
            <Empty icon="people" text={t("nothingYet")} />
          ) : (
            <>
              <ul class="rows">
                {data.map((invitation) => (
                  <li key={invitation.code} class="row-flex">
                    <div>
                      <code>{invitation.url}</code>
                      <p class="muted small">
                        {t("usesLeft", { left: invitation.uses_left, uses: invitation.uses })} · {t("ends")}:{" "}
                        {invitation.expires_at === null ? t("endless") : dateTime(invitation.expires_at)}{" "}
                        {invitation.role !== null && <Badge tone="accent">{invitation.role}</Badge>}
                      </p>
                    </div>
                    <span class="inline push">
                      <CopyLink url={invitation.url} />
                      <button
                        type="button"
                        class="small"
                        disabled={removing.isRunning}
                        onClick={() => void removing.run(invitation.code)}
                      >
                        {t("remove")}
                      </button>
                    </span>
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

/** Where the browser lets pages copy; the link stands beside it in any case. */
function CopyLink({ url }: { readonly url: string }) {
  const isCopied = useSignal(false);
  if (!("clipboard" in navigator)) return null;
  return (
    <button
      type="button"
      class="small"
      onClick={() => {
        void navigator.clipboard.writeText(url).then(() => {
          isCopied.value = true;
        });
      }}
    >
      {t(isCopied.value ? "copied" : "copyLink")}
    </button>
  );
}
