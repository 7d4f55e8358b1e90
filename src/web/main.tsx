import { render } from "preact";
import { useEffect, useErrorBoundary } from "preact/hooks";
import { watchRooms } from "./chat/rooms.ts";
import { startLanguage } from "./i18n.ts";
import { path, startRouter } from "./router.ts";
import { watchSession } from "./session.ts";
import { startTheme } from "./theme.ts";
import { watchOtherTabs } from "./tokens.ts";
import { FailureNote } from "./ui/failure.tsx";
import { Shell } from "./ui/shell.tsx";
import { Views } from "./views.tsx";

startTheme();
startRouter();
watchOtherTabs();
watchSession();
watchRooms();
await startLanguage();

/** What fails in a view leaves the frame, by which one gets elsewhere. */
function Guarded() {
  const [error, reset] = useErrorBoundary();
  useEffect(reset, [path.value, reset]);
  return error === undefined ? <Views /> : <FailureNote error={error} retry={reset} />;
}

function App() {
  return (
    <Shell>
      <Guarded />
    </Shell>
  );
}

const root = document.getElementById("app");
if (root !== null) render(<App />, root);
