"""What OpenAPI says of the routes, beyond what their types say."""

from __future__ import annotations

from typing import Any

from profiling.serve.upload import FIELD

_BYTES = {"type": "string", "format": "binary"}
_ERROR = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["error"],
            "properties": {"error": {"type": "string"}, "stage": {"type": "string"}},
        }
    }
}
_EXAMPLE = {
    "path": "call.wav",
    "duration_s": 4.2,
    "flags": ["low_snr"],
    "age": {"value": 31.4, "unit": "years", "interval": {"low": 22.1, "high": 40.7, "coverage": 0.9}},
    "gender": {"label": "female", "probabilities": {"female": 0.93, "male": 0.07}},
}


def _errors(listed: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    return {status: {"description": what, "content": _ERROR} for status, what in listed.items()}


#: Arguments of the route that answers.
PREDICT: dict[str, Any] = {
    "summary": "The answers on one recording: the row that profiling predict prints",
    "description": "Send the recording as a form's file, or as the whole body. timeline: also answer on windows of "
    "speech of at most so many seconds. channel: mix, 0, 1, ... name: what to call a recording sent as body. "
    "Nothing is kept after the answer.",
    "response_model": None,
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {"type": "object", "required": [FIELD], "properties": {FIELD: _BYTES}}
                },
                "application/octet-stream": {"schema": _BYTES},
            },
        }
    },
    "responses": {
        200: {
            "description": "One object; its fields are explained in docs/predict.md",
            "content": {"application/json": {"schema": {"type": "object"}, "example": _EXAMPLE}},
        },
        **_errors(
            {
                400: "a parameter that does not exist, or a form without a file",
                408: "the upload took too long",
                413: "too many bytes, or too long a recording",
                422: "a recording that cannot be used, and why",
                503: "too many requests at a time; Retry-After says when to come again",
            }
        ),
    },
}
#: Arguments of the route that lists who answers.
PROFILERS: dict[str, Any] = {
    "summary": "Which bundles and backbones answer, what they are not for, and the limits of a request",
}
