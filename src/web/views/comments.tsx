import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { call, get } from "../api.ts";
import { draftOf } from "../drafts.ts";
import { ago, dateTime } from "../format.ts";
import { t } from "../i18n.ts";
import { likedHere, rememberLike } from "../likes.ts";
import { useAction, useLoad } from "../load.ts";
import { account, may } from "../session.ts";
import type { Comment, Page } from "../shapes.ts";
import { Confirm } from "../ui/dialog.tsx";
import { FailureNote } from "../ui/failure.tsx";
import { Field, Form, textOf } from "../ui/form.tsx";
import { Icon } from "../ui/icon.tsx";
import { Avatar, Pager, pictureOf, Shown } from "../ui/parts.tsx";

const PER_PAGE = 20;
const BLANK = { content: "" };

export function Comments({ postId }: { readonly postId: string }) {
  const page = useSignal(1);
  const removed = useSignal(0);
  const heading = useRef<HTMLHeadingElement>(null);
  const draft = useMemo(() => draftOf<typeof BLANK>(`comment.${postId}`), [postId]);
  const begun = useMemo(() => draft.read(BLANK) ?? BLANK, [draft]);
  const list = useLoad(`${page.value}`, (signal) =>
    get<Page<Comment>>(`/api/blogs/posts/${postId}/comments?page=${page.value}&limit=${PER_PAGE}`, signal),
  );
  async function write(data: FormData, form: HTMLFormElement): Promise<void> {
    await call("POST", `/api/blogs/posts/${postId}/comments`, { body: { content: textOf(data, "content") } });
    draft.drop();
    const field = form.querySelector("textarea");
    if (field !== null) field.value = "";
    const { pagination } = await get<Page<Comment>>(`/api/blogs/posts/${postId}/comments?limit=${PER_PAGE}`);
    // The newest one is on the last page.
    if (page.value === pagination.pages) await list.reload();
    else page.value = pagination.pages;
    // The button had the focus and lost it while it was disabled.
    field?.focus();
  }
  useEffect(() => {
    if (removed.value > 0) heading.current?.focus();
  }, [removed.value]);
  return (
    <section class="card" aria-labelledby="comments">
      <h2 id="comments" ref={heading} tabIndex={-1}>
        {t("comments")}
      </h2>
      <Shown of={list}>
        {({ data, pagination }) => (
          <>
            {data.length === 0 ? (
              <p class="muted">{t("noComments")}</p>
            ) : (
              <ul class="rows">
                {data.map((comment) => (
                  <OneComment
                    key={comment.id}
                    comment={comment}
                    onChange={list.reload}
                    onRemoved={() => void removed.value++}
                  />
                ))}
              </ul>
            )}
            <Pager
              pagination={pagination}
              onPage={(next) => {
                page.value = next;
              }}
            />
          </>
        )}
      </Shown>
      {account.value === null ? (
        <p class="muted">
          <a href={`/login?next=/blog/${postId}`}>{t("signInToComment")}</a>
        </p>
      ) : (
        <Form submit={t("comment")} save={write}>
          <Field
            name="content"
            label={t("yourComment")}
            hint={begun.content === "" ? undefined : t("restored")}
            value={begun.content}
            rows={3}
            required
            maxLength={10_000}
            onInput={(content) => (content === "" ? draft.drop() : draft.keep({ content }))}
          />
        </Form>
      )}
    </section>
  );
}

type OneProps = {
  readonly comment: Comment;
  readonly onChange: () => Promise<void>;
  readonly onRemoved: () => void;
};

function OneComment({ comment, onChange, onRemoved }: OneProps) {
  const isEditing = useSignal(false);
  const isDeleting = useSignal(false);
  const author = comment.author.full_name ?? t("somebody");
  const path = `/api/blogs/comments/${comment.id}`;
  const isLiked = likedHere().has(comment.id);
  const liking = useAction(async () => {
    await call(isLiked ? "DELETE" : "POST", `${path}/like`);
    rememberLike(comment.id, !isLiked);
    await onChange();
  });
  const mayChange = account.value?.me.id === comment.author.id || may("blog.moderate");
  const element = useRef<HTMLLIElement>(null);
  const wasEditing = useRef(false);
  useEffect(() => {
    // What was pressed is gone: the focus goes to what stands in its place.
    const next = isEditing.value ? "textarea" : wasEditing.current ? "[data-edit]" : null;
    if (next !== null) element.current?.querySelector<HTMLElement>(next)?.focus();
    wasEditing.current = isEditing.value;
  }, [isEditing.value]);
  return (
    <li class="comment" ref={element}>
      <Avatar name={author} src={pictureOf(comment.author.id)} />
      <div class="comment-body">
        <p>
          <strong>{author}</strong>{" "}
          <time class="muted small" dateTime={comment.created_at} title={dateTime(comment.created_at)}>
            {ago(comment.created_at)}
          </time>
        </p>
        {isEditing.value ? (
          <Form
            submit={t("save")}
            save={async (data) => {
              await call("PUT", path, { body: { content: textOf(data, "content") } });
              isEditing.value = false;
              await onChange();
            }}
            aside={
              <button
                type="button"
                onClick={() => {
                  isEditing.value = false;
                }}
              >
                {t("cancel")}
              </button>
            }
          >
            <Field name="content" label={t("comment")} rows={3} value={comment.content} required />
          </Form>
        ) : (
          <p class="comment-text">{comment.content}</p>
        )}
        <div class="inline">
          {account.value === null ? (
            <span class="muted small">{t("likes", { n: comment.likes })}</span>
          ) : (
            <button
              type="button"
              class="plain small"
              aria-pressed={isLiked}
              aria-label={`${t("like")}: ${t("likes", { n: comment.likes })}`}
              disabled={liking.isRunning}
              onClick={() => void liking.run()}
            >
              <Icon name="heart" />
              {comment.likes}
            </button>
          )}
          {mayChange && !isEditing.value && (
            <>
              <button
                type="button"
                class="plain small"
                data-edit
                onClick={() => {
                  isEditing.value = true;
                }}
              >
                {t("edit")}
              </button>
              <button
                type="button"
                class="plain small"
                onClick={() => {
                  isDeleting.value = true;
                }}
              >
                {t("remove")}
              </button>
            </>
          )}
        </div>
        <FailureNote error={liking.failure} />
        {isDeleting.value && (
          <Confirm
            title={t("deleteComment")}
            text={t("deleteCommentText")}
            confirm={t("remove")}
            act={async () => {
              await call("DELETE", path);
              await onChange();
              onRemoved();
            }}
            onClose={() => {
              isDeleting.value = false;
            }}
          />
        )}
      </div>
    </li>
  );
}
