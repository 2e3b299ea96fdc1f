/** The thread that looks at signatures. */
import { SignatureVerifier } from "../signatures.ts"
import { caller, oneByOne, serve } from "./serve.ts"

serve(() => ({ run: oneByOne(caller(new SignatureVerifier())), close: () => undefined }))
