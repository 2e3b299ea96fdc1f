/** Chai with promises, as the compliance suites of libp2p expect it from `aegir/chai`. */
import * as chai from "chai"
import chaiAsPromised from "chai-as-promised"

chai.use(chaiAsPromised)

export const { assert, expect } = chai
