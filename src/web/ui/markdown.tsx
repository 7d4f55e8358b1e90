import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { t } from "../i18n.ts";

type Render = (source: string) => DocumentFragment;

let loading: Promise<Render> | undefined;

/** Markdown as elements. Its library comes with the first text; until then the text stands as it was written. */
export function Markdown({ source }: { readonly source: string }) {
  const render = useSignal<Render | null>(null);
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    loading ??= import("./render-markdown.ts").then((module) => module.render);
    void loading.then(
      (loaded) => {
        render.value = loaded;
      },
      () => {
        loading = undefined;
      },
    );
  }, [render]);
  const ready = render.value;
  const rendered = useMemo(() => (ready === null ? null : attempted(ready, source)), [ready, source]);
  useEffect(() => {
    if (rendered !== null) element.current?.replaceChildren(rendered);
  }, [rendered]);
  // Another element for the rendered text: its children are not the app's own.
  if (rendered !== null) return <div class="prose" key="rendered" ref={element} />;
  if (ready === null) return <div class="prose source">{source}</div>;
  return (
    <>
      <p class="note">{t("asWritten")}</p>
      <div class="prose written">{source}</div>
    </>
  );
}

/** Null where a text cannot be rendered. */
function attempted(render: Render, source: string): DocumentFragment | null {
  try {
    return render(source);
  } catch (error) {
    console.info(error);
    return null;
  }
}
