/** The head of a column that can be sorted by. */
export function SortHead(props: {
  text: string;
  sorted: "ascending" | "descending" | "none";
  onSort: () => void;
  className?: string | undefined;
}) {
  const mark = { ascending: " ↑", descending: " ↓", none: "" }[props.sorted];
  return (
    <th aria-sort={props.sorted} className={props.className}>
      <button type="button" className="sort" onClick={props.onSort}>
        {props.text}
        <span aria-hidden="true">{mark}</span>
      </button>
    </th>
  );
}
