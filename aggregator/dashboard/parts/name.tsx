/** A name of dotted parts, which a narrow column breaks after a dot rather than anywhere. */
import { Fragment } from "preact";
import { withoutOverrides } from "./text.ts";

export function Name({ of }: { of: string }) {
  return (
    <>
      {withoutOverrides(of)
        .split(/(?<=\.)/)
        .map((part, place) => (
          <Fragment key={place}>
            {place > 0 && <wbr />}
            {part}
          </Fragment>
        ))}
    </>
  );
}
