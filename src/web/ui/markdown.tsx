import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

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
  useEffect(() => {
    if (ready !== null) element.current?.replaceChildren(ready(source));
  }, [ready, source]);
  // Another element for the rendered text: its children are not the app's own.
  if (ready === null) return <div class="prose source">{source}</div>;
  return <div class="prose" key="rendered" ref={element} />;
}
