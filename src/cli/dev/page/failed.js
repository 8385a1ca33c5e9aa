/** A ceremony that the browser or the authenticator did not finish. `kind` names the reason. */
export class CeremonyFailed extends Error {
  constructor(kind, cause) {
    super(kind, { cause });
    this.kind = kind;
  }
}
