/** The thread that looks at signatures. */
import { SignatureVerifier } from "../signatures.ts"
import { giveWay, niceness } from "./priority.ts"
import { caller, oneByOne, serve } from "./serve.ts"

giveWay(niceness.books)

serve(() => ({ run: oneByOne(caller(new SignatureVerifier())), close: () => undefined }))
