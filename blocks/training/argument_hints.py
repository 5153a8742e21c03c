"""What a model's methods take beside their own arguments, and what to write instead of those of other libraries."""

_TARGET = "Rows hold the target as a column, which the head names: fit(rows), with classifiers.Softmax('label')."
_WEIGHT = "The head names the column of weights: classifiers.Softmax('label', sample_weight='weight')."
_AHEAD = "Leave it out: rows are read ahead as it is."
_COMPILE = "It goes to compile: model.compile(optimizer=keras.optimizers.AdamW(1e-3))."
_ROWS = {"*": _TARGET, "y": _TARGET, "target": _TARGET, "sample_weight": _WEIGHT, "sample_weights": _WEIGHT}
HINTS = {
    "__init__": {
        **dict.fromkeys(("optimizer", "loss", "metrics", "learning_rate", "lr"), _COMPILE),
        **dict.fromkeys(("epochs", "batch_size", "callbacks"), "It goes to fit: model.fit(rows, epochs=10)."),
        "classes": "They are learned by adapt, or given to the head.",
    },
    "adapt": _ROWS,
    "fit": {
        **_ROWS,
        "validation_split": "Split the rows: splits = blocks.read(rows).split(train=0.8, valid=0.2); "
        "fit(splits['train'], validation_data=splits['valid']).",
        "validation_batch_size": "Leave it out: held-out rows go in batches of batch_size.",
        **dict.fromkeys(("workers", "use_multiprocessing", "max_queue_size"), _AHEAD),
        **dict.fromkeys(("optimizer", "loss", "metrics", "learning_rate", "lr"), _COMPILE),
        **dict.fromkeys(("patience", "early_stopping"), "Leave it out, or use keras.callbacks.EarlyStopping."),
    },
    "evaluate": {**_ROWS, "return_dict": "Leave it out: it is a dict always."},
    "calibrate": _ROWS,
    "compile": dict.fromkeys(("learning_rate", "lr"), "It is the optimizer's: keras.optimizers.AdamW(1e-3)."),
}
ALSO = {
    "__init__": ("name", "dtype", "trainable", "autocast"),
    "fit": ("callbacks", "initial_epoch", "steps_per_epoch", "validation_steps", "validation_freq", "class_weight"),
    "evaluate": ("steps", "callbacks"),
    "predict_table": ("targets", "split", "overwrite"),
    "compile": (
        *("loss_weights", "weighted_metrics", "run_eagerly", "steps_per_execution", "jit_compile"),
        "auto_scale_loss",
    ),
}
