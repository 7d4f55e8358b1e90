import { useSignal } from "@preact/signals";
import { call, get } from "../api.ts";
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

export function Comments({ postId }: { readonly postId: string }) {
  const page = useSignal(1);
  const written = useSignal(0);
  const list = useLoad(`${page.value}`, (signal) =>
    get<Page<Comment>>(`/api/blogs/posts/${postId}/comments?page=${page.value}&limit=${PER_PAGE}`, signal),
  );
  async function write(data: FormData): Promise<void> {
    await call("POST", `/api/blogs/posts/${postId}/comments`, { body: { content: textOf(data, "content") } });
    const { pagination } = await get<Page<Comment>>(`/api/blogs/posts/${postId}/comments?limit=${PER_PAGE}`);
    // The newest one is on the last page.
    if (page.value === pagination.pages) await list.reload();
    else page.value = pagination.pages;
    written.value += 1;
  }
  return (
    <section class="card" aria-labelledby="comments">
      <h2 id="comments">{t("comments")}</h2>
      <Shown of={list}>
        {({ data, pagination }) => (
          <>
            {data.length === 0 ? (
              <p class="muted">{t("noComments")}</p>
            ) : (
              <ul class="rows">
                {data.map((comment) => (
                  <OneComment key={comment.id} comment={comment} onChange={list.reload} />
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
        <Form key={written.value} submit={t("comment")} save={write}>
          <Field name="content" label={t("yourComment")} rows={3} required maxLength={10_000} />
        </Form>
      )}
    </section>
  );
}

type OneProps = { readonly comment: Comment; readonly onChange: () => Promise<void> };

function OneComment({ comment, onChange }: OneProps) {
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
  return (
    <li class="comment">
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
