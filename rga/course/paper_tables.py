"""The paper's tables 1, 2 and 4: rank-1 and mAP in % on CUHK03 (labeled, new protocol), ResNet-50 from ImageNet.

Zhang, Lan, Zeng, Jin, Chen: Relation-Aware Global Attention for Person Re-identification, CVPR 2020. One number each:
the paper gives neither seeds nor intervals.
"""

TABLE_1 = {
    "none": (73.8, 69.0),
    "rga_s_no_relation": (76.8, 72.3),
    "rga_s_no_feature": (78.2, 74.0),
    "rga_s": (79.3, 74.7),
    "rga_c_no_relation": (77.8, 73.7),
    "rga_c_no_feature": (78.1, 74.9),
    "rga_c": (79.3, 75.6),
    "rga_parallel": (77.3, 73.4),
    "rga_cs": (78.6, 75.5),
    "rga_sc": (81.1, 77.4),
}
TABLE_2 = {
    "cbam_s": (77.3, 72.8),
    "fc_s": (77.0, 73.0),
    "non_local": (76.6, 72.6),
    "snl": (77.4, 72.4),
    "se": (76.3, 71.9),
    "cbam_c": (76.9, 72.7),
    "fc_c": (77.4, 72.9),
    "cbam": (78.0, 73.0),
    "fc_parallel": (78.4, 73.2),
}
TABLE_4 = {"rga_sc_no_embedding": (78.6, 75.2), "rga_sc_symmetric": (79.4, 75.2), "rga_sc": (81.1, 77.4)}
PAPER = TABLE_1 | TABLE_2 | TABLE_4
# Table 3: parameters in millions, with a classifier of 751 people.
PARAMETERS = {"none": 25.1, "cbam_s": 26.1, "fc_s": 26.9, "non_local": 30.6, "rga_s": 28.3}
PARAMETERS |= {"cbam_c": 26.4, "fc_c": 26.4, "se": 27.6, "rga_c": 28.1}
