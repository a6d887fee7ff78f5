/** Documents sent to the server one by one, each answered for itself. */

import {post} from "./forms.js";

const ADDRESS = "/documents/upload";

/** {document, message, new}, or null after the refusal has been shown. ``form`` lends its token. */
export function send(file, form) {
  const body = new FormData();
  body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  body.set("file", file);
  return post(ADDRESS, body);
}
