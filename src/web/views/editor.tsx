import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { call, get } from "../api.ts";
import { draftOf } from "../drafts.ts";
import { t } from "../i18n.ts";
import { useAction, useLoad } from "../load.ts";
import { go } from "../router.ts";
import type { Post, PostStatus } from "../shapes.ts";
import { FailureNote } from "../ui/failure.tsx";
import { Field, rawOf, textOf } from "../ui/form.tsx";
import { Markdown } from "../ui/markdown.tsx";
import { Shown, Title } from "../ui/parts.tsx";

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
  const discarded = useSignal(0);
  return (
    <div class="reading">
      <Title text={t(id === "" ? "newPost" : "editPost")} />
      <Shown of={draft} lines={8}>
        {(found) => <Writing key={discarded.value} draft={found} onDiscard={() => void discarded.value++} />}
      </Shown>
    </div>
  );
}

type WritingProps = { readonly draft: Draft; readonly onDiscard: () => void };

function Writing({ draft: { id, post }, onDiscard }: WritingProps) {
  const saved = { title: post.title, excerpt: post.excerpt, content: post.content };
  const draft = useMemo(() => draftOf<typeof saved>(`post.${id ?? "new"}`), [id]);
  const restored = useMemo(() => draft.read(saved), [draft]);
  const begun = restored ?? saved;
  const isChanged = useSignal(restored !== null);
  const content = useSignal(begun.content);
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
    const answered = await (id === null
      ? call<Post>("POST", "/api/blogs/posts", { body })
      : call<Post>("PUT", `/api/blogs/posts/${id}`, { body }));
    draft.drop();
    isChanged.value = false;
    go(`/blog/${answered.id}`, { replace: true });
  });
  function keepDraft(): void {
    if (form.current === null) return;
    const data = new FormData(form.current);
    const now = { title: rawOf(data, "title"), excerpt: rawOf(data, "excerpt"), content: content.value };
    isChanged.value =
      now.title !== saved.title || now.excerpt !== saved.excerpt || now.content !== saved.content;
    if (isChanged.value) draft.keep(now);
    else draft.drop();
  }
  useEffect(() => {
    if (!isChanged.value) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [isChanged.value]);
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
      onInput={keepDraft}
    >
      {restored !== null && isChanged.value && (
        <p class="note" role="status">
          {t("restored")}{" "}
          <button
            type="button"
            class="plain small"
            onClick={() => {
              draft.drop();
              onDiscard();
            }}
          >
            {t("discard")}
          </button>
        </p>
      )}
      <Field name="title" label={t("postTitle")} value={begun.title} required maxLength={200} />
      <Field
        name="excerpt"
        label={t("excerpt")}
        value={begun.excerpt}
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
        <a href={id === null ? "/blog" : `/blog/${id}`} onClick={draft.drop}>
          {t("cancel")}
        </a>
      </div>
    </form>
  );
}
