import { useSignal } from "@preact/signals";
import { call, get } from "../api.ts";
import { ago, date } from "../format.ts";
import { t } from "../i18n.ts";
import { useLoad } from "../load.ts";
import { go } from "../router.ts";
import { account, may } from "../session.ts";
import type { Post } from "../shapes.ts";
import { Confirm } from "../ui/dialog.tsx";
import { Markdown } from "../ui/markdown.tsx";
import { Avatar, Badge, pictureOf, Shown, Title } from "../ui/parts.tsx";
import { Comments } from "./comments.tsx";

export function PostView({ id }: { readonly id: string }) {
  const post = useLoad(`${id} ${account.value?.me.id ?? ""}`, (signal) =>
    get<Post>(`/api/blogs/posts/${id}`, signal),
  );
  return (
    <div class="reading">
      <Shown of={post} lines={10} isView>
        {(found) => (
          <>
            <Article post={found} />
            <Comments postId={found.id} />
          </>
        )}
      </Shown>
    </div>
  );
}

function Article({ post }: { readonly post: Post }) {
  const isDeleting = useSignal(false);
  const author = post.author.full_name ?? t("somebody");
  const mayChange = account.value?.me.id === post.author.id || may("blog.moderate");
  return (
    <article class="card">
      <Title
        text={post.title}
        aside={
          mayChange && (
            <>
              <a class="button small" href={`/blog/edit/${post.id}`}>
                {t("edit")}
              </a>
              <button
                type="button"
                class="small danger"
                onClick={() => {
                  isDeleting.value = true;
                }}
              >
                {t("remove")}
              </button>
            </>
          )
        }
      />
      <p class="row-flex small muted">
        <Avatar name={author} src={pictureOf(post.author.id)} size="small" />
        <span>{author}</span>
        <time dateTime={post.created_at}>{date(post.created_at)}</time>
        {post.updated_at !== post.created_at && <span>{t("changedAt", { time: ago(post.updated_at) })}</span>}
        {post.status === "draft" && <Badge tone="warn">{t("draft")}</Badge>}
        <span class="push">{t("views", { n: post.views })}</span>
      </p>
      <Markdown source={post.content} />
      {isDeleting.value && (
        <Confirm
          title={t("deletePost")}
          text={t("deletePostText")}
          confirm={t("remove")}
          act={async () => {
            await call("DELETE", `/api/blogs/posts/${post.id}`);
            go("/blog", { replace: true });
          }}
          onClose={() => {
            isDeleting.value = false;
          }}
        />
      )}
    </article>
  );
}
