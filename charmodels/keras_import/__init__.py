"""From a file that Keras wrote to a run folder; Keras itself is never needed, nor anything run.

    files         which form the file has, and what stands in it
    containers    zip and npz, guarded
    hdf5          HDF5, guarded: plain arrays of floats in the file itself
    apart         reading in a process of its own, which may crash
    architecture  the configuration Keras wrote beside the weights, understood or refused
    shapes        the same from the shapes of the arrays alone, where nothing else was written
    weights       the arrays by what they do, and whether they fit together
    convert       into this project's weights: transposed, gates in order, the boundary first
    vocabulary    the characters in Keras's order
    run           a run folder that says honestly what is not known

All but the last work without torch.
"""
