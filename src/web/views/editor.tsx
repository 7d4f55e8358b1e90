import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { call, get } from "../api.ts";
import { t } from "../i18n.ts";
import { useAction, useLoad } from "../load.ts";
import { go } from "../router.ts";
import type { Post, PostStatus } from "../shapes.ts";
import { FailureNote } from "../ui/failure.tsx";
import { Field, textOf } from "../ui/form.tsx";
import { Markdown } from "../ui/markdown.tsx";
import { Loading, Shown, Title } from "../ui/parts.tsx";

type Draft = {
  readonly id: string | null;
  readonly post: Pick<Post, "title" | "content" | "excerpt" | "status">;
};
const NEW: Draft = { id: null, post: { title: "", content: "", excerpt: "", status: "draft" } };

/** A new post, or the one with this id. */
export function Editor({ id }: { readonly id: string }) {
  const draft = useLoad(
    id,
    async (signal): Promise<Draft> =>
      id === "" ? NEW : { id, post: await get<Post>(`/api/blogs/posts/${id}`, signal) },
  );
  return (
    <div class="reading">
      <Title text={t(id === "" ? "newPost" : "editPost")} />
      {draft.data === null && draft.failure === null && <Loading lines={8} />}
      <Shown of={draft}>{(found) => <Writing draft={found} />}</Shown>
    </div>
  );
}

function Writing({ draft: { id, post } }: { readonly draft: Draft }) {
  const content = useSignal(post.content);
  const isPreview = useSignal(false);
  const form = useRef<HTMLFormElement>(null);
  const saving = useAction(async (status: PostStatus) => {
    if (form.current === null) return;
    const data = new FormData(form.current);
    const excerpt = textOf(data, "excerpt");
    const body = {
      title: textOf(data, "title"),
      content: content.value,
      excerpt: excerpt === "" ? null : excerpt,
      status,
    };
    const saved = await (id === null
      ? call<Post>("POST", "/api/blogs/posts", { body })
      : call<Post>("PUT", `/api/blogs/posts/${id}`, { body }));
    go(`/blog/${saved.id}`, { replace: true });
  });
  const save = (status: PostStatus) => {
    if (form.current?.reportValidity() === true) void saving.run(status);
  };
  const other: PostStatus = post.status === "published" ? "draft" : "published";
  return (
    <form
      ref={form}
      class="form card editor"
      onSubmit={(event) => {
        event.preventDefault();
        save("published");
      }}
    >
      <Field name="title" label={t("postTitle")} value={post.title} required maxLength={200} />
      <Field
        name="excerpt"
        label={t("excerpt")}
        value={post.excerpt}
        hint={t("excerptHint")}
        rows={2}
        maxLength={500}
      />
      <div class="tabs">
        {[false, true].map((preview) => (
          <button
            key={String(preview)}
            type="button"
            aria-pressed={isPreview.value === preview}
            onClick={() => {
              isPreview.value = preview;
            }}
          >
            {t(preview ? "preview" : "write")}
          </button>
        ))}
      </div>
      {isPreview.value ? (
        <section class="editor-preview" aria-label={t("preview")}>
          {content.value.trim() === "" ? (
            <p class="muted">{t("nothingToPreview")}</p>
          ) : (
            <Markdown source={content.value} />
          )}
        </section>
      ) : (
        <Field
          name="content"
          label={t("content")}
          hint={t("contentHint")}
          value={content.value}
          rows={14}
          required
          onInput={(value) => {
            content.value = value;
          }}
        />
      )}
      <FailureNote error={saving.failure} />
      <div class="form-end">
        <button type="submit" class="primary" disabled={saving.isRunning}>
          {t(post.status === "published" ? "save" : "publish")}
        </button>
        <button type="button" disabled={saving.isRunning} onClick={() => save("draft")}>
          {t(other === "draft" ? "unpublish" : "saveDraft")}
        </button>
        <a href={id === null ? "/blog" : `/blog/${id}`}>{t("cancel")}</a>
      </div>
    </form>
  );
}
