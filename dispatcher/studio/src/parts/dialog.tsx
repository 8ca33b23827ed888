import { type FormEvent, type ReactNode, useEffect, useRef, useState } from "react";

import { Problem } from "./states";

interface Props {
  title: string;
  action: string;
  danger?: boolean;
  children?: ReactNode;
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
}

/** Asks before something is done; stays open, with the reason, if that is refused. */
export function Dialog(props: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const confirm = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await props.onConfirm();
      props.onClose();
    } catch (refused) {
      setError(refused);
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} onClose={props.onClose} aria-label={props.title}>
      <form onSubmit={(event) => void confirm(event)}>
        <h2>{props.title}</h2>
        {props.children}
        <Problem error={error} />
        <div className="dialog-actions">
          <button type="button" onClick={props.onClose}>
            Close
          </button>
          <button type="submit" className={props.danger ? "danger" : "primary"} disabled={busy}>
            {props.action}
          </button>
        </div>
      </form>
    </dialog>
  );
}
